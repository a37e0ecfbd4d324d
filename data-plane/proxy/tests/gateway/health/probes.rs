//! What a probe says, and what its failures are called.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use weir_model::Key;

use super::{Bed, checked, origin};
use crate::origin::{Origin, closed_address};
use crate::setup::eventually;

#[test]
fn probes_need_no_traffic_and_say_what_is_configured() {
    let (node, _) = origin("a");
    let address = node.address;
    let mut upstream = checked(&[address]);
    upstream["checks"]["active"] = json!({
        "http_path": "/up?deep=1", "http_method": "POST", "http_req_body": "ping", "interval": 1,
        "host": "check.test", "req_headers": ["User-Agent: prober", "X-Two: 2"]
    });
    let _bed = Bed::new(&[("upstreams/1", upstream)]);
    eventually("two probes come", || node.seen().len() >= 2);
    assert!(node.connections() >= 2, "each on a connection of its own");
    for seen in node.seen() {
        assert_eq!(seen.line, "POST /up?deep=1 HTTP/1.1");
        let fields = ["connection", "host", "user-agent", "x-two"].map(|wanted| {
            let field = seen
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            field.map(|(_, value)| value.as_str())
        });
        let expected = ["close", "check.test", "prober", "2"].map(Some);
        assert_eq!(fields, expected, "{:?}", seen.headers);
    }
}

#[test]
fn a_node_that_takes_no_connection_or_too_long_is_unhealthy_for_that_reason() {
    let silent = Origin::raw(|peer| {
        let _ = peer.read_head();
        let _ = peer.read_head();
    });
    let garbage = Origin::raw(|peer| {
        let _ = peer.read_head();
        peer.write("SSH-2.0-nothing\r\n");
    });
    let closed = closed_address();
    let mut upstream = checked(&[silent.address, garbage.address, closed]);
    upstream["checks"]["active"]["timeout"] = json!(0.2);
    let bed = Bed::new(&[("upstreams/1", upstream)]);
    let reasons = || -> BTreeMap<u16, (String, [u8; 3])> {
        let checks = bed.gateway.checkers().checks();
        let checked = checks.get(&"upstreams/1".parse::<Key>().unwrap());
        let targets = checked.into_iter().flat_map(|checked| &checked.nodes);
        let shown = targets.map(|target| target.shown());
        shown
            .map(|shown| {
                let counters = shown.state.counters;
                let failures = [
                    counters.http_failure,
                    counters.tcp_failure,
                    counters.timeout,
                ];
                (shown.place.port, (shown.reason, failures))
            })
            .collect()
    };
    eventually("all are unhealthy", || {
        reasons().len() == 3 && reasons().values().all(|(reason, _)| !reason.is_empty())
    });
    let reasons = reasons();
    for (address, expected, failures) in [
        (
            silent.address,
            "1 timeouts in probes, last: time limit reached: read",
            [0, 0, 1],
        ),
        (
            garbage.address,
            "1 http failures in probes, last: bad status line \"SSH-2.0-nothing\"",
            [1, 0, 0],
        ),
        (
            closed,
            "1 tcp failures in probes, last: connect: Connection refused (os error 111)",
            [0, 1, 0],
        ),
    ] {
        assert_eq!(reasons[&address.port()], (expected.to_owned(), failures));
    }
}

#[test]
fn a_tcp_check_only_connects_to_the_port_it_names() {
    let asked = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&asked);
    let other = Origin::raw(move |peer| {
        noted.fetch_or(peer.read_head().is_some(), Ordering::SeqCst);
    });
    let mut upstream = checked(&[closed_address()]);
    upstream["checks"]["active"] = json!({"tcp_port": other.address.port(), "interval": 1});
    let bed = Bed::new(&[("upstreams/1", upstream)]);
    eventually("two probes come", || other.connections() >= 2);
    assert_eq!(bed.gateway.checkers().probed(), [other.address]);
    assert!(
        bed.states("upstreams/1")
            .values()
            .all(|state| *state == "healthy")
    );
    assert!(!asked.load(Ordering::SeqCst));
}
