use serde_json::json;

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::setup::{http, nodes, proxy_to, with};

#[test]
fn hop_by_hop_fields_stay_on_their_side() {
    let origin = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, x-node\r\nx-node: 1\r\n\
          keep-alive: timeout=5\r\nx-kept: 1\r\nserver: node/1\r\n\r\nok"
            .to_vec()
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let answer = ask(
        http(&gateway),
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, x-client\r\nx-client: 1\r\nte: trailers\r\n\
         upgrade: websocket\r\nkeep-alive: 5\r\nproxy-connection: keep-alive\r\nx-kept: 1\r\n\r\n",
    );
    let seen = origin.last();
    for name in [
        "connection",
        "x-client",
        "te",
        "upgrade",
        "keep-alive",
        "proxy-connection",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("x-kept"), Some("1"));
    for name in ["x-node", "keep-alive", "connection"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-kept"), Some("1"));
    assert_eq!(answer.header("server"), Some("APISIX/3.18.0"));
}

#[test]
fn node_is_told_about_the_client() {
    let origin = Origin::text("ok");
    let gateway = proxy_to(nodes(&[origin.address]));
    let address = http(&gateway);
    ask(
        address,
        "GET / HTTP/1.1\r\nhost: shop.test:8080\r\nx-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\n\
         forwarded: for=9.9.9.9\r\n\r\n",
    );
    let seen = origin.last();
    assert_eq!(seen.header("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.test"));
    let port = address.port().to_string();
    assert_eq!(seen.header("x-forwarded-port"), Some(port.as_str()));
    assert_eq!(seen.header("forwarded"), None);
}

#[test]
fn host_follows_pass_host() {
    let origin = Origin::text("ok");
    for (more, expected) in [
        (json!({}), "test.local".to_owned()),
        (json!({ "pass_host": "node" }), origin.address.to_string()),
        (
            json!({ "pass_host": "rewrite", "upstream_host": "inner.test" }),
            "inner.test".to_owned(),
        ),
    ] {
        let gateway = proxy_to(with(nodes(&[origin.address]), more));
        ask(http(&gateway), get("/"));
        assert_eq!(origin.last().header("host"), Some(expected.as_str()));
    }
}

#[test]
fn node_sees_the_path_that_was_routed() {
    let origin = Origin::text("ok");
    let gateway = proxy_to(nodes(&[origin.address]));
    for (sent, expected) in [
        ("/a/./b/../c?x=%20y", "/a/c?x=%20y"),
        ("//a//b", "/a/b"),
        ("/caf%c3%a9/%7Euser", "/caf%C3%A9/~user"),
        ("/a%20b%3Fc", "/a%20b%3Fc"),
        ("http://test.local/abs?q", "/abs?q"),
    ] {
        ask(http(&gateway), get(sent));
        assert_eq!(origin.last().line, format!("GET {expected} HTTP/1.1"));
    }
}

#[test]
fn answers_without_body_keep_the_connection_in_step() {
    let origin = Origin::answering(|seen| {
        let path = seen.line.split(' ').nth(1).unwrap().to_owned();
        match path.as_str() {
            "/head" => b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".to_vec(),
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => {
                b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 99\r\n\r\n".to_vec()
            }
            "/103" => [
                b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec(),
                ok("late"),
            ]
            .concat(),
            _ => ok("plain"),
        }
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    let head = client.ask("HEAD /head HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("1234"))
    );
    assert_eq!(client.ask(get("/204")).status, 204);
    let not_modified = client.ask(get("/304"));
    assert_eq!(
        (not_modified.status, not_modified.header("etag")),
        (304, Some("\"x\""))
    );
    let hints = client.ask(get("/103"));
    assert_eq!((hints.status, hints.header("link")), (103, Some("x")));
    assert_eq!(client.answer(false).text(), "late");
    // A client of HTTP/1.0 knows no interim answers.
    let mut old = Client::connect(http(&gateway));
    assert_eq!(old.ask("GET /103 HTTP/1.0\r\n\r\n").text(), "late");
    assert_eq!(client.ask(get("/")).text(), "plain");
    assert_eq!(origin.connections(), 1);
}
