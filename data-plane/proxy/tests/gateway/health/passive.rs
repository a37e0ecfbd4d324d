//! Real requests judge nodes too.

use serde_json::json;

use super::{Bed, checked, origin, route};
use crate::origin::{Origin, closed_address};

#[test]
fn real_requests_eject_a_node_that_is_not_probed() {
    let (good, _) = origin("good");
    let bad = Origin::answering(|_| b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec());
    let mut upstream = checked(&[good.address, bad.address]);
    upstream["checks"] = json!({"passive": {"unhealthy": {"http_failures": 3}}});
    let bed = Bed::new(&[("upstreams/1", upstream), ("routes/1", route("1"))]);
    let bad_answers = (0..40).filter(|_| bed.ask().0 == 500).count();
    assert_eq!(bad_answers, 3, "ejected after the third");
    assert!(bed.gateway.checkers().probed().is_empty());
    assert_eq!(bed.states("upstreams/1")[&bad.address.port()], "unhealthy");
}

#[test]
fn tries_that_fail_count_too() {
    let (good, _) = origin("good");
    let closed = closed_address();
    let mut upstream = checked(&[good.address, closed]);
    upstream["checks"] = json!({"passive": {"unhealthy": {"tcp_failures": 2}}});
    let bed = Bed::new(&[("upstreams/1", upstream), ("routes/1", route("1"))]);
    for _ in 0..10 {
        assert_eq!(bed.ask(), (200, "good".to_owned()), "another node is tried");
    }
    assert_eq!(bed.states("upstreams/1")[&closed.port()], "unhealthy");
    assert_eq!(bed.gateway.stats().retries, 2);
}
