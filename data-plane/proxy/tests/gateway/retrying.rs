use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_proxy::gateway::{Gateway, GatewayConfig};

use super::client::{Answer, Client, ask, get};
use super::origin::{Origin, closed_address};
use super::setup::{config, everything_to, http, nodes, proxy_to, start, with};

/// Answers tell the statuses of all tries, and the reason.
fn telling() -> GatewayConfig {
    let mut config = config();
    config.settings.show_upstream_status = true;
    config.settings.show_reason = true;
    config
}

fn telling_proxy_to(upstream: Value) -> Gateway {
    start(telling(), Some(everything_to(upstream)))
}

fn tries(answer: &Answer) -> Vec<&str> {
    let statuses = answer.header("x-apisix-upstream-status").unwrap_or("");
    statuses
        .split(", ")
        .filter(|text| !text.is_empty())
        .collect()
}

fn failing(status: &'static str) -> Origin {
    Origin::answering(move |_| {
        format!("HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\nbusy").into_bytes()
    })
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
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

/// Reads a request with a large body and closes without an answer; then answers others.
fn crashing_once() -> (Origin, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let origin = Origin::raw(move |peer| {
        if let Some(seen) = peer.read() {
            counter.fetch_add(seen.body.len(), Ordering::SeqCst);
        }
    });
    (origin, read)
}

#[test]
fn large_body_is_sent_again_byte_for_byte() {
    const SIZE: usize = 3 * 1024 * 1024 + 17;
    let (crashing, read) = crashing_once();
    let origin = Origin::text("kept");
    let gateway = telling_proxy_to(nodes(&[crashing.address, origin.address]));
    let body = pattern(SIZE);
    let mut client = Client::connect(http(&gateway));
    client.send(format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n"
    ));
    client.send(&body);
    let answer = client.answer(false);
    assert_eq!(
        (answer.text(), tries(&answer)),
        ("kept", vec!["502", "200"])
    );
    assert_eq!(read.load(Ordering::SeqCst), SIZE);
    assert!(origin.last().body == body);
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in body.chunks(50_000) {
        client.send(format!("{:x}\r\n", piece.len()));
        client.send(piece);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer(false).text(), "kept");
    assert!(origin.last().body == body);
}

#[test]
fn body_beyond_the_bound_or_a_full_disk_is_sent_once_and_goes_through() {
    for (size, total, folder) in [
        (100_000, u64::MAX, "/tmp"),
        (u64::MAX, 100_000, "/tmp"),
        (u64::MAX, u64::MAX, "/dev/null/no/folder"),
    ] {
        let (crashing, _) = crashing_once();
        let origin = Origin::text("fine");
        let mut config = telling();
        config.settings.replay.size = size;
        config.settings.replay.total = total;
        config.settings.replay.folder = folder.into();
        let routes = [
            (
                "routes/1",
                json!({ "uri": "/bad", "upstream": nodes(&[crashing.address, origin.address]) }),
            ),
            (
                "routes/2",
                json!({ "uri": "/good", "upstream": nodes(&[origin.address, closed_address()]) }),
            ),
        ];
        let gateway = start(config, Some(super::setup::runtime(&routes)));
        let body = pattern(400_000);
        let mut client = Client::connect(http(&gateway));
        for (path, status) in [("/bad", 502), ("/good", 200)] {
            client.send(format!(
                "PUT {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
                body.len()
            ));
            client.send(&body);
            let answer = client.answer(false);
            assert_eq!(answer.status, status, "{path} {size} {total} {folder}");
            assert_eq!(tries(&answer), [status.to_string()]);
        }
        assert!(origin.last().body == body);
    }
}

#[test]
fn body_beyond_client_max_body_size_gets_413() {
    let origin = Origin::text("fine");
    let mut config = telling();
    config.settings.limits.body_bytes = Some(1000);
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let fits = format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{}",
        "x".repeat(1000)
    );
    assert_eq!(ask(http(&gateway), fits).text(), "fine");
    let announced = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n";
    let chunked = format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    for request in [announced, &chunked] {
        let mut client = Client::connect(http(&gateway));
        let answer = client.ask(request);
        assert_eq!(answer.status, 413);
        assert_eq!(answer.header("x-weir-reason"), Some("body_too_large"));
        assert!(answer.text().contains("413 Request Entity Too Large"));
    }
    assert_eq!(origin.seen().len(), 1, "no node was sent a whole body");
}

/// Answers nothing until it is told to, and counts whom it keeps waiting.
fn hanging() -> (Origin, Arc<AtomicUsize>) {
    let waiting = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&waiting);
    let origin = Origin::raw(move |peer| {
        if peer.read().is_some() {
            counter.fetch_add(1, Ordering::SeqCst);
            // Until the gateway closes.
            peer.read();
            counter.fetch_sub(1, Ordering::SeqCst);
        }
    });
    (origin, waiting)
}

#[test]
fn full_upstream_is_answered_at_once_and_others_notice_nothing() {
    let (hung, waiting) = hanging();
    let origin = Origin::text("fine");
    let limited = with(
        nodes(&[hung.address]),
        json!({ "limits": { "max_requests": 2 } }),
    );
    let routes = [
        ("routes/1", json!({ "uri": "/hung", "upstream": limited })),
        (
            "routes/2",
            json!({ "uri": "/fine", "upstream": nodes(&[origin.address]) }),
        ),
    ];
    let gateway = start(telling(), Some(super::setup::runtime(&routes)));
    let mut stuck: Vec<Client> = (0..2).map(|_| Client::connect(http(&gateway))).collect();
    for client in &mut stuck {
        client.send(get("/hung"));
    }
    super::setup::eventually("two requests wait", || waiting.load(Ordering::SeqCst) == 2);
    let began = Instant::now();
    for _ in 0..50 {
        let refused = ask(http(&gateway), get("/hung"));
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("x-weir-reason"), Some("upstream_overflow"));
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(ask(http(&gateway), get("/fine")).text(), "fine");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(waiting.load(Ordering::SeqCst), 2);
    drop(stuck);
    super::setup::eventually("room is made", || waiting.load(Ordering::SeqCst) == 0);
}

#[test]
fn full_node_is_passed_over() {
    let (hung, waiting) = hanging();
    let (other, waiting_there) = hanging();
    let upstream = with(
        nodes(&[hung.address, other.address]),
        json!({ "limits": { "node": { "max_requests": 1 } } }),
    );
    let gateway = telling_proxy_to(upstream);
    let mut stuck: Vec<Client> = (0..2).map(|_| Client::connect(http(&gateway))).collect();
    for client in &mut stuck {
        client.send(get("/"));
    }
    super::setup::eventually("both nodes have one", || {
        waiting.load(Ordering::SeqCst) == 1 && waiting_there.load(Ordering::SeqCst) == 1
    });
    let refused = ask(http(&gateway), get("/"));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("x-weir-reason"), Some("upstream_overflow"));
}

#[test]
fn try_is_cancelled_when_the_client_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = config();
    config.access_log = weir_proxy::telemetry::access_log::AccessLog::File(path.clone());
    let (hung, waiting) = hanging();
    let gateway = start(config, Some(everything_to(nodes(&[hung.address]))));
    let mut client = Client::connect(http(&gateway));
    client.send(get("/"));
    super::setup::eventually("the node works on it", || {
        waiting.load(Ordering::SeqCst) == 1
    });
    drop(client);
    super::setup::eventually("the node is left", || waiting.load(Ordering::SeqCst) == 0);
    let mut text = String::new();
    super::setup::eventually("it is logged", || {
        text = std::fs::read_to_string(&path).unwrap();
        !text.is_empty()
    });
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["status"], 499);
    assert_eq!(line["reason"], "client_gone");
    assert_eq!(line["tries"][0]["outcome"], "cancelled");
    assert_eq!(line["tries"][0]["addr"], hung.address.to_string());
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
