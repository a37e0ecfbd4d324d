//! Who gets requests: unhealthy nodes do not, and what happens when none is healthy.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Bed, checked, origin, route};
use crate::origin::closed_address;
use crate::setup::with;

#[test]
fn an_unhealthy_node_gets_no_request_until_it_is_healthy_again() {
    let [(a, _), (b, health)] = [origin("a"), origin("b")];
    let bed = Bed::new(&[
        ("upstreams/1", checked(&[a.address, b.address])),
        ("routes/1", route("1")),
    ]);
    bed.wait_for("upstreams/1", b.address.port(), "healthy");
    health.store(503, Ordering::SeqCst);
    bed.wait_for("upstreams/1", b.address.port(), "unhealthy");
    for _ in 0..50 {
        assert_eq!(bed.ask(), (200, "a".to_owned()));
    }
    health.store(200, Ordering::SeqCst);
    bed.wait_for("upstreams/1", b.address.port(), "healthy");
    let answers: Vec<String> = (0..20).map(|_| bed.ask().1).collect();
    let count = |text: &str| answers.iter().filter(|answer| *answer == text).count();
    assert_eq!((count("a"), count("b")), (10, 10), "exact shares again");
    let counts = bed.gateway.checkers().hub.counts();
    assert_eq!((counts.to_unhealthy, counts.to_healthy), (1, 1));
}

#[test]
fn when_no_node_is_healthy_all_are_used_or_the_request_fails_or_the_fallback_is_taken() {
    let [(a, health_a), (b, health_b)] = [origin("a"), origin("b")];
    let (spare, _) = origin("spare");
    let nodes = checked(&[a.address, b.address]);
    let mut bed = Bed::new(&[("upstreams/1", nodes.clone()), ("routes/1", route("1"))]);
    health_a.store(500, Ordering::SeqCst);
    health_b.store(500, Ordering::SeqCst);
    for address in [a.address, b.address] {
        bed.wait_for("upstreams/1", address.port(), "unhealthy");
    }
    assert_eq!(bed.ask().0, 200);

    bed.change(
        "upstreams/1",
        with(nodes.clone(), json!({"when_all_unhealthy": "fail"})),
    );
    assert_eq!(bed.ask().0, 502, "the states survived the change");

    bed.put(
        "upstreams/spare",
        json!({"nodes": {spare.address.to_string(): 1}}),
    );
    bed.change(
        "upstreams/1",
        with(nodes, json!({"fallback_upstream_id": "spare"})),
    );
    assert_eq!(bed.ask(), (200, "spare".to_owned()));
    health_a.store(200, Ordering::SeqCst);
    bed.wait_for("upstreams/1", a.address.port(), "healthy");
    assert_eq!(bed.ask(), (200, "a".to_owned()));

    bed.change(
        "upstreams/1",
        json!({"nodes": {}, "fallback_upstream_id": "spare"}),
    );
    assert_eq!(bed.ask(), (200, "spare".to_owned()), "no nodes at all");
}

#[test]
fn fallbacks_that_lead_in_a_circle_end() {
    let closed = closed_address();
    let upstream = |next: &str| {
        with(
            checked(&[closed]),
            json!({"fallback_upstream_id": next, "when_all_unhealthy": "fail"}),
        )
    };
    let bed = Bed::new(&[
        ("upstreams/1", upstream("2")),
        ("upstreams/2", upstream("1")),
        ("routes/1", route("1")),
    ]);
    bed.wait_for("upstreams/1", closed.port(), "unhealthy");
    assert_eq!(bed.ask().0, 502);
}
