//! How much an upstream bears at once, and what happens when a client leaves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, ask, get};
use super::origin::Origin;
use super::retrying::{telling, telling_proxy_to};
use super::setup::{config, everything_to, http, nodes, start, with};

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
