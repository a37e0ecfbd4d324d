//! Variables of the body: it is looked at before the route is known, and forwarded all the same.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::gateway::Gateway;

use super::client::{Client, ask};
use super::origin::{Origin, ok};
use super::setup::{config, eventually, http, nodes, runtime, start, with};

/// Two routes for one path: one for bodies that `vars` likes, one for the rest.
fn choosing(vars: Value, liked: &Origin, rest: &Origin) -> [(&'static str, Value); 2] {
    let route = |origin: &Origin| json!({"uri": "/*", "upstream": nodes(&[origin.address])});
    [
        (
            "routes/liked",
            with(route(liked), json!({"vars": vars, "priority": 1})),
        ),
        ("routes/rest", route(rest)),
    ]
}

fn gateway(vars: Value, liked: &Origin, rest: &Origin) -> Gateway {
    start(config(), Some(runtime(&choosing(vars, liked, rest))))
}

fn echo(name: &'static str) -> Origin {
    Origin::answering(move |seen| ok(&format!("{name} {}", String::from_utf8_lossy(&seen.body))))
}

fn post(content_type: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_route_is_chosen_by_what_stands_in_the_body() {
    let (liked, rest) = (echo("liked"), echo("rest"));
    let vars = json!([["post_arg.model", "==", "large"]]);
    let gateway = gateway(vars, &liked, &rest);
    let mut client = Client::connect(http(&gateway));
    let large = r#"{"model": "large"}"#;
    let answer = client.ask(post("application/json", large));
    assert_eq!(answer.text(), format!("liked {large}"));
    let small = r#"{"model": "small"}"#;
    let answer = client.ask(post("application/json", small));
    assert_eq!(answer.text(), format!("rest {small}"));
    let answer = client.ask(post("application/x-www-form-urlencoded", "model=large"));
    assert_eq!(answer.text(), "liked model=large");
    let answer = client.ask(post("text/plain", large));
    assert_eq!(answer.text(), format!("rest {large}"));
    assert_eq!(
        client.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").text(),
        "rest "
    );
    let answer = client.ask(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n8\r\n{\"model\"\r\na\r\n: \"large\"}\r\n0\r\n\r\n",
    );
    assert_eq!(answer.text(), format!("liked {large}"));
    assert_eq!(liked.last().header("content-length"), Some("18"));
}

#[test]
fn a_graphql_query_chooses_too() {
    let (liked, rest) = (echo("liked"), echo("rest"));
    let vars = json!([
        ["graphql_operation", "==", "query"],
        ["graphql_name", "==", "getRepo"],
        ["graphql_root_fields", "has", "owner"]
    ]);
    let gateway = gateway(vars, &liked, &rest);
    let query = "query getRepo { owner { name } }";
    let answer = ask(http(&gateway), post("application/graphql", query));
    assert_eq!(answer.text(), format!("liked {query}"));
    let other = "query getRepo { name }";
    let answer = ask(http(&gateway), post("application/graphql", other));
    assert_eq!(answer.text(), format!("rest {other}"));
}

#[test]
fn a_body_that_no_condition_reaches_is_not_waited_for() {
    let liked = echo("liked");
    let rest = Origin::raw(|peer| {
        peer.read_head();
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut piece = [0; 4];
        peer.reader.read_exact(&mut piece).unwrap();
        peer.write("4\r\nrest\r\n0\r\n\r\n");
    });
    let vars = json!([["http_x", "==", "1"], ["post_arg.a", "==", "1"]]);
    let gateway = gateway(vars, &liked, &rest);
    let mut client = Client::connect(http(&gateway));
    client.send(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n",
    );
    // The answer begins before the body is there.
    assert_eq!(client.head().status, 200);
    client.send("body");
    let mut text = [0; 7];
    client.reader.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"4\r\nrest");
}

#[test]
fn a_body_that_was_looked_at_goes_whole_to_the_next_node() {
    let gone = Origin::raw(|peer| {
        peer.read();
    });
    let there = echo("there");
    let route = json!({
        "uri": "/*",
        "vars": [["post_arg.model", "==", "m"]],
        "upstream": nodes(&[gone.address, there.address]),
    });
    let gateway = start(config(), Some(runtime(&[("routes/1", route)])));
    let body = format!(
        "{{\"model\": \"m\", \"text\": \"{}\"}}",
        "x".repeat(300_000)
    );
    let request = post("application/json", &body).replacen("POST", "PUT", 1);
    let answer = ask(http(&gateway), request);
    assert_eq!((answer.status, gone.connections()), (200, 1));
    assert_eq!(answer.text(), format!("there {body}"));
}

#[test]
fn a_body_above_the_limit_is_not_looked_at_and_forwarded_whole() {
    let (liked, rest) = (echo("liked"), echo("rest"));
    let mut config = config();
    config.settings.limits.bodies.body = 1000;
    let routes = choosing(json!([["post_arg.a", "==", "1"]]), &liked, &rest);
    let gateway = start(config, Some(runtime(&routes)));
    let body = format!("{{\"a\": \"1\", \"b\": \"{}\"}}", "x".repeat(2000));
    let answer = ask(http(&gateway), post("application/json", &body));
    assert_eq!(answer.text(), format!("rest {body}"));
    let (front, back) = body.split_at(700);
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n",
        front.len(),
        back.len()
    );
    assert_eq!(ask(http(&gateway), chunked).text(), format!("rest {body}"));
}

#[test]
fn what_is_held_of_bodies_is_bounded_over_all_requests() {
    let (liked, rest) = (echo("liked"), echo("rest"));
    let mut config = config();
    config.settings.limits.body_memory = 1000;
    let routes = choosing(json!([["post_arg.a", "==", "1"]]), &liked, &rest);
    let gateway = start(config, Some(runtime(&routes)));
    let body = format!("{{\"a\": \"1\", \"b\": \"{}\"}}", "x".repeat(700));
    // Half of a body is held while the second request comes.
    let request = post("application/json", &body);
    let mut first = Client::connect(http(&gateway));
    first.send(&request[..request.len() - 10]);
    let mut second = None;
    eventually("the second finds no room", || {
        let answer = ask(http(&gateway), &request);
        second = Some((answer.status, answer.text().to_owned()));
        answer.status == 503
    });
    assert_eq!(gateway.stats().by_reason["body_memory"], 1, "{second:?}");
    first.send(&request[request.len() - 10..]);
    assert_eq!(first.answer(false).text(), format!("liked {body}"));
    eventually("room is given back", || {
        ask(http(&gateway), &request).status == 200
    });
}

#[test]
fn a_client_that_does_not_send_its_body_is_told_so() {
    let (liked, rest) = (echo("liked"), echo("rest"));
    let mut config = config();
    config.settings.limits.body = Duration::from_millis(300);
    let routes = choosing(json!([["post_arg.a", "==", "1"]]), &liked, &rest);
    let gateway = start(config, Some(runtime(&routes)));
    let mut client = Client::connect(http(&gateway));
    let request = post("application/json", "{\"a\": 1}");
    client.send(&request[..request.len() - 3]);
    assert_eq!(client.answer(false).status, 408);
    assert_eq!(gateway.stats().by_reason["client_timeout"], 1);
}

#[test]
fn a_filter_of_a_plugin_may_look_at_the_body() {
    let origin = echo("node");
    let route = json!({
        "uri": "/*",
        "plugins": {"probe": {
            "answer": 403,
            "_meta": {"filter": [["post_arg.role", "!", "==", "admin"]]},
        }},
        "upstream": nodes(&[origin.address]),
    });
    let gateway = start(config(), Some(runtime(&[("routes/1", route)])));
    let ask = |role: &str| {
        let body = format!("{{\"role\": \"{role}\"}}");
        ask(http(&gateway), post("application/json", &body))
    };
    assert_eq!(ask("guest").status, 403);
    assert_eq!(ask("admin").text(), "node {\"role\": \"admin\"}");
}

#[test]
fn a_node_may_be_chosen_by_the_body() {
    let (one, two) = (echo("one"), echo("two"));
    let upstream = json!({
        "type": "chash",
        "hash_on": "vars_combinations",
        "key": "${post_arg.user}",
        "nodes": {one.address.to_string(): 1, two.address.to_string(): 1},
    });
    let gateway = start(
        config(),
        Some(runtime(&[(
            "routes/1",
            json!({"uri": "/*", "upstream": upstream}),
        )])),
    );
    let of = |user: usize| {
        let body = format!("{{\"user\": \"{user}\"}}");
        let answer = ask(http(&gateway), post("application/json", &body));
        answer.text()[..3].to_owned()
    };
    let chosen: Vec<String> = (0..20).map(&of).collect();
    assert_eq!(chosen, (0..20).map(of).collect::<Vec<_>>());
    assert!(chosen.contains(&"one".to_owned()) && chosen.contains(&"two".to_owned()));
}
