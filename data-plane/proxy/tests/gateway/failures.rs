use serde_json::json;

use super::client::{Client, ask, get};
use super::origin::{Origin, closed_address, ok};
use super::setup::{config, http, nodes, proxy_to, start, with};

fn quick() -> serde_json::Value {
    json!({ "timeout": { "connect": 0.3, "send": 0.3, "read": 0.3 } })
}

#[test]
fn before_the_first_runtime_requests_get_503() {
    let gateway = start(config(), None);
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 503);
    assert_eq!(gateway.stats().by_reason.get("not_ready"), Some(&1));
}

#[test]
fn request_without_route_gets_404() {
    let gateway = start(config(), Some(super::setup::runtime(&[])));
    let answer = ask(http(&gateway), get("/nowhere"));
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), "{\"error_msg\":\"404 Route Not Found\"}\n");
}

#[test]
fn upstream_without_nodes_gets_503() {
    let gateway = proxy_to(json!({ "type": "roundrobin", "nodes": {} }));
    assert_eq!(ask(http(&gateway), get("/")).status, 503);
}

#[test]
fn refused_connection_gets_502_with_the_status_of_the_try() {
    let gateway = proxy_to(nodes(&[closed_address()]));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("502"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(answer.text().contains("502 Bad Gateway"));
}

#[test]
fn reason_is_told_to_the_client_only_where_it_is_wanted() {
    let silent = proxy_to(nodes(&[closed_address()]));
    let answer = ask(http(&silent), get("/"));
    assert_eq!(answer.header("x-weir-reason"), None);
    let origin = Origin::text("fine");
    let mut config = config();
    config.settings.show_reason = true;
    let good = nodes(&[origin.address, closed_address()]);
    let bad = nodes(&[closed_address()]);
    let routes = [
        ("routes/1", json!({ "uri": "/good", "upstream": good })),
        ("routes/2", json!({ "uri": "/bad", "upstream": bad })),
    ];
    let gateway = start(config, Some(super::setup::runtime(&routes)));
    for (path, reason) in [
        ("/good", None),
        ("/bad", Some("upstream_connect_refused")),
        ("/none", Some("no_route")),
    ] {
        let answer = ask(http(&gateway), get(path));
        assert_eq!(answer.header("x-weir-reason"), reason, "{path}");
    }
}

#[test]
fn node_that_does_not_answer_gets_504() {
    let origin = Origin::raw(|peer| {
        peer.read();
        peer.read();
    });
    let gateway = proxy_to(with(nodes(&[origin.address]), quick()));
    assert_eq!(ask(http(&gateway), get("/")).status, 504);
    assert_eq!(gateway.stats().by_reason.get("timeout_read"), Some(&1));
}

#[test]
fn name_that_does_not_resolve_gets_503() {
    let gateway = proxy_to(json!({ "type": "roundrobin", "nodes": { "name.invalid:80": 1 } }));
    assert_eq!(ask(http(&gateway), get("/")).status, 503);
}

#[test]
fn upstream_status_of_a_proxied_failure_is_told() {
    let origin = Origin::answering(|_| b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n".to_vec());
    let gateway = proxy_to(nodes(&[origin.address]));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("500"));
}

#[test]
fn failed_node_is_followed_by_the_next() {
    let origin = Origin::text("second");
    let gateway = proxy_to(nodes(&[closed_address(), origin.address]));
    for _ in 0..3 {
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
        let answer = ask(http(&gateway), post);
        assert_eq!((answer.status, answer.text()), (200, "second"));
        assert_eq!(origin.last().body, b"body");
        assert_eq!(answer.header("x-apisix-upstream-status"), None);
    }
}

#[test]
fn all_nodes_failed_gets_502_with_every_status() {
    let gateway = proxy_to(nodes(&[closed_address(), closed_address()]));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("502, 502"));
}

#[test]
fn get_goes_on_after_a_reset_and_post_does_not() {
    let broken = Origin::raw(|peer| {
        peer.read();
    });
    let origin = Origin::text("second");
    let gateway = proxy_to(nodes(&[broken.address, origin.address]));
    assert_eq!(ask(http(&gateway), get("/")).status, 200);
    let put = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    assert_eq!(ask(http(&gateway), put).status, 200);
    assert_eq!(origin.last().body, b"body");
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    assert_eq!(ask(http(&gateway), post).status, 502);
    assert_eq!(
        gateway.stats().by_reason.get("reset_before_header"),
        Some(&3)
    );
}

#[test]
fn retries_zero_means_one_try() {
    let origin = Origin::text("second");
    let upstream = with(
        nodes(&[closed_address(), origin.address]),
        json!({ "retries": 0 }),
    );
    let gateway = proxy_to(upstream);
    assert_eq!(ask(http(&gateway), get("/")).status, 502);
}

#[test]
fn kept_connection_that_was_closed_is_replaced() {
    let origin = Origin::raw(|peer| {
        peer.read();
        peer.write(ok("once"));
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..5 {
        assert_eq!(client.ask(get("/")).text(), "once");
    }
    assert_eq!(origin.connections(), 5);
}

#[test]
fn hostile_answers_get_502_and_never_reach_another_request() {
    for hostile in [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1,1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        "HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "SSH-2.0-x\r\n",
    ] {
        let origin = Origin::answering(move |seen| {
            if seen.line.contains("/bad") {
                hostile.as_bytes().to_vec()
            } else {
                ok("good")
            }
        });
        let upstream = with(nodes(&[origin.address]), quick());
        let gateway = proxy_to(upstream);
        let mut client = Client::connect(http(&gateway));
        let answer = client.ask(get("/bad"));
        assert_eq!(answer.status, 502, "{hostile:?}");
        assert_eq!(client.ask(get("/good")).text(), "good", "{hostile:?}");
        assert_eq!(origin.connections(), 2, "{hostile:?}");
    }
}

#[test]
fn bytes_after_an_answer_are_not_the_next_answer() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let origin = Origin::answering(move |seen| {
        if seen.line.contains("/bad") {
            smuggled.as_bytes().to_vec()
        } else {
            ok("good")
        }
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    assert_eq!(client.ask(get("/bad")).text(), "ok");
    assert_eq!(client.ask(get("/good")).text(), "good");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn truncated_body_breaks_the_answer_off() {
    for truncated in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\n",
    ] {
        let origin = Origin::raw(move |peer| {
            peer.read();
            peer.write(truncated);
        });
        let gateway = proxy_to(nodes(&[origin.address]));
        let mut client = Client::connect(http(&gateway));
        client.send(get("/"));
        assert_eq!(client.head().status, 200);
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut client.reader, &mut rest);
        assert!(
            !rest.ends_with(b"0\r\n\r\n"),
            "looks complete: {truncated:?}"
        );
        super::setup::eventually("truncation is counted", || {
            gateway.stats().by_reason.contains_key("response_truncated")
        });
    }
}

#[test]
fn malformed_requests_get_400_and_reach_no_node() {
    let origin = Origin::text("never");
    let gateway = proxy_to(nodes(&[origin.address]));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /../x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", 405),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
    ] {
        assert_eq!(ask(http(&gateway), request).status, status, "{request:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(9_000));
    assert_eq!(ask(http(&gateway), long).status, 414);
    let large = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    assert_eq!(ask(http(&gateway), large).status, 431);
    let fields: Vec<String> = (0..9)
        .map(|number| format!("x-{number}: {}\r\n", "a".repeat(8_000)))
        .collect();
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", fields.concat());
    assert_eq!(ask(http(&gateway), many).status, 431);
    assert!(origin.seen().is_empty());
}

#[test]
fn node_that_stops_reading_gets_504() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let ended = std::sync::Mutex::new(ended);
    let origin = Origin::raw(move |peer| {
        peer.read_head();
        // Nothing of the body is read until the test ends.
        let _ = ended.lock().unwrap().recv();
    });
    let gateway = proxy_to(with(nodes(&[origin.address]), quick()));
    let mut client = Client::connect(http(&gateway));
    let size = 64 * 1024 * 1024;
    client.send(format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
    ));
    let mut writer = client.reader.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        // It fails when the gateway has answered and closed.
        let _ = std::io::Write::write_all(&mut writer, &vec![0; size]);
    });
    assert_eq!(client.head().status, 504);
    assert_eq!(gateway.stats().by_reason.get("timeout_send"), Some(&1));
    drop(client);
    drop(gateway);
    drop(end);
    sending.join().unwrap();
}

#[test]
fn client_that_stops_sending_gets_408() {
    let origin = Origin::text("never");
    let mut config = config();
    config.settings.limits.body = std::time::Duration::from_millis(200);
    let gateway = start(
        config,
        Some(super::setup::everything_to(nodes(&[origin.address]))),
    );
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    assert_eq!(client.answer(false).status, 408);
    assert!(client.is_closed());
}

#[test]
fn retry_timeout_ends_the_tries_with_502() {
    let silent = Origin::raw(|peer| {
        peer.read();
        peer.read();
    });
    let origin = Origin::text("too late");
    let upstream = with(nodes(&[silent.address, origin.address]), quick());
    let gateway = proxy_to(with(upstream, json!({ "retry_timeout": 0.1 })));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(
        (answer.status, answer.header("x-apisix-upstream-status")),
        (502, Some("504"))
    );
    assert_eq!(gateway.stats().by_reason.get("retry_timeout"), Some(&1));
    assert!(origin.seen().is_empty());
}

#[test]
fn kept_connections_are_bounded_in_requests() {
    let origin = Origin::text("ok");
    let pool = json!({ "keepalive_pool": { "size": 1, "requests": 2, "idle_timeout": 60 } });
    let gateway = proxy_to(with(nodes(&[origin.address]), pool));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..6 {
        assert_eq!(client.ask(get("/")).text(), "ok");
    }
    assert_eq!(origin.connections(), 3);
}
