use super::*;

fn upstream(id: &str, status: &str, nodes: usize) -> (Key, UpstreamHealth) {
    let key: Key = format!("upstreams/{id}").parse().unwrap();
    let node = NodeHealth {
        status: status.to_owned(),
        ..NodeHealth::default()
    };
    let health = UpstreamHealth {
        key: Some((&key).into()),
        check: "http".to_owned(),
        nodes: vec![node; nodes],
        ..UpstreamHealth::default()
    };
    (key, health)
}

fn told(report: &Report) -> Vec<&str> {
    let keys = report.upstreams.iter().filter_map(|one| one.key.as_ref());
    keys.map(|key| key.id.as_str()).collect()
}

#[test]
fn the_first_report_is_whole_and_later_ones_only_have_what_changed() {
    let mut now = Upstreams::from([upstream("a", "healthy", 1), upstream("b", "healthy", 1)]);
    let mut reporter = Reporter::default();
    let first = reporter.next(&now).unwrap();
    assert!(first.full);
    assert_eq!(told(&first), ["a", "b"]);
    assert_eq!(reporter.next(&now), None);

    now.extend([upstream("b", "unhealthy", 1)]);
    let second = reporter.next(&now).unwrap();
    assert!(!second.full && second.removals.is_empty());
    assert_eq!(told(&second), ["b"]);

    now.remove(&upstream("a", "", 0).0);
    let third = reporter.next(&now).unwrap();
    assert!(third.upstreams.is_empty());
    assert_eq!(third.removals.len(), 1);
    assert_eq!(reporter.next(&now), None);
}

#[test]
fn an_agent_without_checks_says_so_once() {
    let mut reporter = Reporter::default();
    let first = reporter.next(&Upstreams::new()).unwrap();
    assert!(first.full && first.upstreams.is_empty());
    assert_eq!(reporter.next(&Upstreams::new()), None);
}

#[test]
fn times_that_move_on_their_own_are_no_change() {
    let (key, mut health) = upstream("a", "unhealthy", 1);
    let mut reporter = Reporter::default();
    reporter.next(&Upstreams::from([(key.clone(), health.clone())]));
    health.nodes[0].last_error_ms = 5;
    health.nodes[0].slow_start_until_ms = 7;
    let now = Upstreams::from([(key.clone(), health.clone())]);
    assert_eq!(reporter.next(&now), None);
    health.nodes[0].last_error = "status 503".to_owned();
    let now = Upstreams::from([(key, health)]);
    assert!(reporter.next(&now).is_some());
}

#[test]
fn a_message_is_bounded_and_nobody_starves() {
    let flapping = |status: &str| {
        let all = (0..5).map(|number| upstream(&number.to_string(), status, MAX_NODES / 2));
        Upstreams::from_iter(all)
    };
    let mut reporter = Reporter::default();
    let mut heard = Vec::new();
    for round in 0..5 {
        // Everything changes all the time.
        let now = flapping(&round.to_string());
        let report = reporter.next(&now).unwrap();
        assert_eq!(report.full, round == 0);
        let nodes: usize = report.upstreams.iter().map(|one| one.nodes.len()).sum();
        assert!(nodes <= MAX_NODES);
        heard.extend(told(&report).into_iter().map(str::to_owned));
    }
    assert_eq!(
        heard,
        ["0", "1", "2", "3", "4", "0", "1", "2", "3", "4"],
        "in turns"
    );
}

#[test]
fn one_large_upstream_travels_alone() {
    let now = Upstreams::from([
        upstream("a", "healthy", 1),
        upstream("b", "healthy", MAX_NODES_OF_ONE),
        upstream("c", "healthy", 1),
    ]);
    let mut reporter = Reporter::default();
    let all: Vec<_> = std::iter::from_fn(|| reporter.next(&now)).collect();
    let keys: Vec<_> = all.iter().map(told).collect();
    assert_eq!(keys, [vec!["a"], vec!["b"], vec!["c"]]);
}

#[test]
fn a_look_is_due_when_something_moved_did_not_fit_or_was_long_ago() {
    let mut reporter = Reporter::default();
    assert!(reporter.is_due(1));
    assert!(!reporter.is_due(1));
    assert!(reporter.is_due(2));
    let due = (0..FULL_LOOK).filter(|_| reporter.is_due(2)).count();
    assert_eq!(due, 1);
    reporter.behind = true;
    assert!(reporter.is_due(2));
}
