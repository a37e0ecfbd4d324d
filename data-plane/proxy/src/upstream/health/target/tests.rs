use serde_json::{Value, json};
use weir_model::upstream::Upstream;

use super::*;

fn target(checks: &Value, before: Option<&Target>) -> Target {
    let upstream = Upstream::parse(&json!({"nodes": {}, "checks": checks})).unwrap();
    let rules = Rules::new(&upstream.checks_in_force().unwrap());
    let place = Place {
        ip: "127.0.0.1".parse().unwrap(),
        port: 80,
        hostname: Arc::from("127.0.0.1"),
        host_header: None,
    };
    Target::new(place, Arc::new(rules), None, Arc::default(), before)
}

fn at(ms: u64) -> Moment {
    Moment {
        unix_ms: 1_000_000 + ms,
        monotonic_ms: ms,
        random: 0,
    }
}

fn refused() -> Finding {
    Finding::Broken("connect: refused".to_owned())
}

const MINUTES: u64 = 60_000;

#[test]
fn a_flip_is_told_with_time_reason_and_last_error() {
    let target = target(&json!({"active": {}}), None);
    let flips = target.hub.flips();
    target.report(Side::Active, &refused(), at(1));
    assert_eq!(target.state().status.as_str(), "mostly_healthy");
    assert_eq!(target.hub.flips(), flips, "nothing came out of use");
    target.report(Side::Active, &refused(), at(2));
    assert!(!target.is_usable());
    assert_eq!(target.hub.flips(), flips + 1);
    let shown = target.shown();
    assert_eq!(shown.since_ms, 1_000_002);
    assert_eq!(
        shown.reason,
        "2 tcp failures in probes, last: connect: refused"
    );
    assert_eq!(shown.last_error, "connect: refused");

    target.report(Side::Active, &Finding::TimedOut("read"), at(3));
    assert_eq!(target.shown().last_error, "time limit reached: read");
    target.report(Side::Active, &Finding::Status(200), at(4));
    target.report(Side::Active, &Finding::Status(302), at(5));
    assert!(target.is_usable());
    assert_eq!(target.recovered_ms(), 5);
    assert_eq!(
        target.shown().reason,
        "2 successes in probes, last: status 302"
    );
    let counts = target.hub.counts();
    assert_eq!((counts.to_healthy, counts.to_unhealthy), (1, 1));
    let probes = [
        ("success", 2),
        ("http_failure", 0),
        ("tcp_failure", 2),
        ("timeout", 1),
        ("ignored", 0),
    ];
    assert_eq!(counts.probes, probes);
}

#[test]
fn requests_count_only_where_passive_checks_are_configured() {
    let active = target(&json!({"active": {}}), None);
    for ms in 0..10 {
        active.report(Side::Passive, &refused(), at(ms));
    }
    assert!(active.is_usable());

    let both = target(
        &json!({"active": {}, "passive": {"unhealthy": {"http_failures": 3}}}),
        None,
    );
    for status in [500, 404, 500, 418] {
        both.report(Side::Passive, &Finding::Status(status), at(1));
        assert!(both.is_usable(), "404 and 418 are in neither list");
    }
    both.report(Side::Passive, &Finding::Status(503), at(1));
    assert!(!both.is_usable());
    assert_eq!(both.ejected_until_ms(), None, "probes bring it back");
    for _ in 0..2 {
        both.report(Side::Active, &Finding::Status(200), at(2));
    }
    assert!(both.is_usable());
}

#[test]
fn without_probes_one_request_tries_an_ejected_node_out_after_growing_times() {
    let target = target(
        &json!({"passive": {"unhealthy": {"tcp_failures": 1}}}),
        None,
    );
    let start = 10 * MINUTES;
    target.report(Side::Passive, &refused(), at(start));
    assert!(!target.is_usable());
    assert_eq!(target.ejected_until_ms(), Some(start + MINUTES / 2));

    // Requests that were under way say nothing.
    for _ in 0..10 {
        target.report(Side::Passive, &Finding::Status(200), at(start + 1));
    }
    assert!(!target.is_usable());
    assert!(!target.begin_trial(start + MINUTES / 2 - 1), "not yet");

    let due = start + MINUTES / 2;
    assert!(target.trial_is_free(due) && target.begin_trial(due));
    assert!(
        !target.trial_is_free(due) && !target.begin_trial(due),
        "one request only"
    );
    target.end_trial();
    assert!(
        target.begin_trial(due),
        "the client of the first one went away"
    );
    target.report_trial(&refused(), at(due));
    assert_eq!(
        target.ejected_until_ms(),
        Some(due + MINUTES),
        "twice as long"
    );
    assert!(!target.begin_trial(due), "not yet again");

    let due = due + MINUTES;
    assert!(target.begin_trial(due));
    target.report_trial(&Finding::Status(404), at(due));
    assert!(target.is_usable(), "an answer that is not a bad one");
    assert_eq!(
        (target.ejected_until_ms(), target.recovered_ms()),
        (None, due)
    );
    assert_eq!(
        target.shown().reason,
        "a trial request succeeded: status 404"
    );

    target.report(Side::Passive, &refused(), at(due + 1));
    assert_eq!(
        target.ejected_until_ms(),
        Some(due + 1 + 2 * MINUTES),
        "it failed again soon: twice as long again"
    );
}

#[test]
fn a_change_of_the_rules_keeps_what_is_known() {
    let first = target(&json!({"active": {"unhealthy": {"tcp_failures": 1}}}), None);
    first.report(Side::Active, &refused(), at(7));
    let again = target(&json!({"active": {"interval": 9}}), Some(&first));
    assert!(!again.is_usable());
    assert_eq!(again.shown(), first.shown());

    let passive = target(&json!({"passive": {}}), Some(&first));
    assert!(!passive.is_usable());
    assert!(
        passive.begin_trial(8),
        "no probe will tell any more: the next request does"
    );
}
