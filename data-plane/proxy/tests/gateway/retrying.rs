//! Tries after the first: pauses, budget, statuses, limits of time, and what the log says of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_proxy::gateway::{Gateway, GatewayConfig};

use super::client::{Answer, Client, ask, get};
use super::origin::{Origin, closed_address};
use super::replaying::crashing_once;
use super::setup::{config, everything_to, http, nodes, proxy_to, start, with};

/// Answers tell the statuses of all tries, and the reason.
pub(crate) fn telling() -> GatewayConfig {
    let mut config = config();
    config.settings.show_upstream_status = true;
    config.settings.show_reason = true;
    config
}

pub(crate) fn telling_proxy_to(upstream: Value) -> Gateway {
    start(telling(), Some(everything_to(upstream)))
}

pub(crate) fn tries(answer: &Answer) -> Vec<&str> {
    let statuses = answer.header("x-apisix-upstream-status").unwrap_or("");
    statuses
        .split(", ")
        .filter(|text| !text.is_empty())
        .collect()
}

pub(crate) fn failing(status: &'static str) -> Origin {
    Origin::answering(move |_| {
        format!("HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\nbusy").into_bytes()
    })
}

#[test]
fn pause_between_tries_lasts_as_long_as_it_says() {
    let origin = Origin::text("second");
    let upstream = with(
        nodes(&[closed_address(), origin.address]),
        json!({ "retry_backoff": { "base": 0.3, "max": 1, "jitter": false } }),
    );
    let gateway = proxy_to(upstream);
    let began = Instant::now();
    assert_eq!(ask(http(&gateway), get("/")).text(), "second");
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn pause_that_would_outlast_the_retry_timeout_is_not_begun() {
    let origin = Origin::text("too late");
    let upstream = with(
        nodes(&[closed_address(), origin.address]),
        json!({ "retry_timeout": 5, "retry_backoff": { "base": 6, "max": 6, "jitter": false } }),
    );
    let gateway = telling_proxy_to(upstream);
    let began = Instant::now();
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-weir-reason"), Some("retry_timeout"));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(origin.seen().is_empty());
}

#[test]
fn answers_of_named_statuses_are_repeated_where_that_is_allowed() {
    let busy = failing("503");
    let origin = Origin::text("fine");
    let upstream = |more: Value| {
        let both = nodes(&[busy.address, origin.address]);
        with(both, json!({ "retry_on": more }))
    };
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    for (policy, request, expected) in [
        (json!({ "statuses": [503] }), get("/"), vec!["503", "200"]),
        (json!({ "statuses": [500] }), get("/"), vec!["503"]),
        (json!({ "statuses": [503] }), post.to_owned(), vec!["503"]),
        (
            json!({ "statuses": [503], "methods": ["POST"] }),
            post.to_owned(),
            vec!["503", "200"],
        ),
    ] {
        let gateway = telling_proxy_to(upstream(policy.clone()));
        let answer = ask(http(&gateway), &request);
        assert_eq!(tries(&answer), expected, "{policy} {request}");
        let text = if expected.len() == 2 { "fine" } else { "busy" };
        assert_eq!(answer.text(), text);
    }
    assert_eq!(origin.last().body, b"body");
}

#[test]
fn answer_is_passed_on_when_no_other_comes() {
    let (first, second) = (failing("503"), failing("502"));
    let both = nodes(&[first.address, second.address]);
    let policy = json!({ "retry_on": { "statuses": [502, 503] }, "retries": 5 });
    let gateway = telling_proxy_to(with(both, policy));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..3 {
        let answer = client.ask(get("/"));
        assert_eq!((answer.status, answer.text()), (502, "busy"));
        assert_eq!(tries(&answer), ["503", "502"]);
    }
    assert_eq!(
        first.connections(),
        1,
        "a repeated answer frees its connection"
    );
}

#[test]
fn tries_of_a_dead_upstream_stay_within_the_budget() {
    let gateway = telling_proxy_to(nodes(&[
        closed_address(),
        closed_address(),
        closed_address(),
    ]));
    let mut client = Client::connect(http(&gateway));
    let (mut made, mut refused) = (0, 0);
    for _ in 0..200 {
        let answer = client.ask(get("/"));
        assert_eq!(answer.status, 502);
        made += tries(&answer).len();
        refused += usize::from(answer.header("x-weir-reason") == Some("retry_budget"));
    }
    assert!(made <= 250, "{made} tries");
    assert!(refused > 100, "{refused} refused");
}

#[test]
fn half_of_an_upstream_may_be_dead_without_anybody_noticing() {
    let origin = Origin::text("alive");
    let upstream = json!({ "type": "roundrobin", "nodes": {
        closed_address().to_string(): 1, closed_address().to_string(): 1, origin.address.to_string(): 1,
    } });
    let gateway = proxy_to(upstream);
    let address = http(&gateway);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..30 {
                    assert_eq!(client.ask(get("/")).text(), "alive");
                }
            });
        }
    });
}

#[test]
fn refused_retry_has_the_status_of_the_last_try() {
    let silent = Origin::raw(|peer| {
        peer.read();
        peer.read();
    });
    let upstream = with(
        nodes(&[silent.address, closed_address()]),
        json!({
            "timeout": { "connect": 1, "send": 1, "read": 0.2 },
            "retry_budget": { "percent": 0, "min": 0 },
        }),
    );
    let answer = ask(http(&telling_proxy_to(upstream)), get("/"));
    assert_eq!(answer.status, 504);
    assert_eq!(answer.header("x-weir-reason"), Some("retry_budget"));
}

#[test]
fn whole_request_ends_with_its_limit() {
    let silent = Origin::raw(|peer| {
        peer.read();
        peer.read();
    });
    let three = [silent.address, silent.address, silent.address];
    let upstream = with(nodes(&three), json!({ "request_timeout": 0.3 }));
    let answer = ask(http(&telling_proxy_to(upstream)), get("/"));
    assert_eq!(answer.status, 504);
    assert_eq!(answer.header("x-weir-reason"), Some("timeout_request"));
    assert_eq!(tries(&answer), ["504"]);
}

#[test]
fn answer_that_lasts_longer_than_the_whole_request_is_broken_off() {
    let endless = Origin::raw(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while peer.write("1\r\nx\r\n") {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let upstream = with(nodes(&[endless.address]), json!({ "request_timeout": 0.3 }));
    let gateway = proxy_to(upstream);
    let mut client = Client::connect(http(&gateway));
    client.send(get("/"));
    assert_eq!(client.head().status, 200);
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut client.reader, &mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "looks complete");
    let reasons = gateway.stats().by_reason;
    assert_eq!(reasons, BTreeMap::from([("timeout_request", 1)]));
}

#[test]
fn try_ends_with_its_limit_even_while_bytes_come() {
    let dripping = Origin::raw(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\nx: ");
        while peer.write("y") {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let origin = Origin::text("fine");
    let upstream = with(
        nodes(&[dripping.address, origin.address]),
        json!({ "try_timeout": 0.3 }),
    );
    let gateway = telling_proxy_to(upstream);
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(
        (answer.text(), tries(&answer)),
        ("fine", vec!["504", "200"])
    );
    assert_eq!(gateway.stats().by_reason.get("timeout_try"), Some(&1));
}

#[test]
fn log_says_why_there_was_no_other_try() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = config();
    config.access_log = weir_proxy::telemetry::access_log::AccessLog::File(path.clone());
    config.settings.replay.size = 70_000;
    let (crashing, _) = crashing_once();
    let upstream = |more: Value| with(nodes(&[crashing.address, closed_address()]), more);
    let routes = [
        (
            "routes/1",
            json!({ "uri": "/a", "upstream": upstream(json!({})) }),
        ),
        (
            "routes/2",
            json!({ "uri": "/b", "upstream": upstream(json!({ "retries": 0 })) }),
        ),
    ];
    let gateway = start(config, Some(super::setup::runtime(&routes)));
    let put = |size: usize| {
        let body = "x".repeat(size);
        format!("PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{body}")
    };
    let post = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx";
    for (request, why) in [
        (post.to_owned(), "method"),
        (put(80_000), "body_size"),
        (get("/b"), "retries"),
        (get("/a"), "retries"),
    ] {
        let _ = std::fs::write(&path, "");
        assert_eq!(ask(http(&gateway), request).status, 502);
        let mut text = String::new();
        super::setup::eventually("it is logged", || {
            text = std::fs::read_to_string(&path).unwrap();
            text.ends_with('\n')
        });
        let line: Value = serde_json::from_str(text.trim_matches(['\0', '\n'])).unwrap();
        assert_eq!(line["not_retried"], why, "{line}");
    }
}
