use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::gateway::Gateway;

use super::client::{ask, get};
use super::origin::{Origin, ok};
use super::setup::{config, eventually, everything_to, http, nodes, start, with};

/// Reads requests and answers none, until the gateway closes; counts those that it holds.
fn slow() -> (Origin, Arc<AtomicUsize>) {
    let held = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&held);
    let origin = Origin::raw(move |peer| {
        if peer.read().is_some() {
            counter.fetch_add(1, Ordering::SeqCst);
            peer.read();
            counter.fetch_sub(1, Ordering::SeqCst);
        }
    });
    (origin, held)
}

/// The slow node first; it would be waited for until 1 s, without retries.
fn gateway(slow: &Origin, fast: &Origin, more: Value) -> Gateway {
    let limits = json!({ "timeout": { "connect": 1, "send": 1, "read": 1 }, "retries": 0 });
    let upstream = with(nodes(&[slow.address, fast.address]), limits);
    let mut config = config();
    config.settings.show_upstream_status = true;
    start(config, Some(everything_to(with(upstream, more))))
}

fn hedge() -> Value {
    json!({ "hedge": { "after": 0.1 } })
}

#[test]
fn faster_answer_is_taken_and_the_slow_try_cancelled() {
    let ((slow, held), fast) = (slow(), Origin::text("fast"));
    let gateway = gateway(&slow, &fast, hedge());
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.text(), "fast");
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("200"));
    eventually("the slow node is left", || held.load(Ordering::SeqCst) == 0);
    assert_eq!(slow.connections(), 1);
    let mut text = String::new();
    gateway.metrics_text(&mut text);
    assert!(
        text.contains("weir_proxy_upstream_hedges_total 1\n"),
        "{text}"
    );
}

#[test]
fn quick_node_is_asked_alone() {
    let (first, second) = (Origin::text("first"), Origin::text("second"));
    let gateway = gateway(&first, &second, json!({ "hedge": { "after": 5 } }));
    for _ in 0..5 {
        assert_eq!(ask(http(&gateway), get("/")).text(), "first");
    }
    assert!(second.seen().is_empty());
}

#[test]
fn without_hedge_or_budget_or_for_a_post_one_node_is_asked() {
    let get = get("/");
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx";
    let broke = with(
        hedge(),
        json!({ "retry_budget": { "percent": 0, "min": 0 } }),
    );
    for (more, request) in [(json!({}), &*get), (hedge(), post), (broke, &*get)] {
        let ((slow, _), fast) = (slow(), Origin::text("fast"));
        let gateway = gateway(&slow, &fast, more.clone());
        assert_eq!(ask(http(&gateway), request).status, 504, "{more} {request}");
        assert!(fast.seen().is_empty());
    }
}

#[test]
fn body_is_sent_to_both_when_memory_holds_it() {
    let put = |size: usize| {
        let body = "x".repeat(size);
        format!("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{body}")
    };
    let ((slow, _), fast) = (slow(), Origin::text("fast"));
    let gateway = gateway(&slow, &fast, hedge());
    assert_eq!(ask(http(&gateway), put(60_000)).text(), "fast");
    assert_eq!(fast.last().body, "x".repeat(60_000).as_bytes());
    assert_eq!(ask(http(&gateway), put(70_000)).status, 504);
    assert_eq!(fast.seen().len(), 1);
}

#[test]
fn failure_of_one_leaves_the_other_running() {
    let failing = Origin::raw(|peer| {
        peer.read();
        std::thread::park_timeout(Duration::from_millis(500));
    });
    let late = Origin::answering(|_| {
        std::thread::park_timeout(Duration::from_millis(700));
        ok("late")
    });
    let gateway = gateway(&failing, &late, hedge());
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.text(), "late");
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("502, 200"));
}

#[test]
fn when_all_fail_the_last_failure_is_told() {
    let ((first, held), (second, held_there)) = (slow(), slow());
    let gateway = gateway(&first, &second, hedge());
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 504);
    assert_eq!(answer.header("x-apisix-upstream-status"), Some("504, 504"));
    eventually("both are left", || {
        held.load(Ordering::SeqCst) + held_there.load(Ordering::SeqCst) == 0
    });
}
