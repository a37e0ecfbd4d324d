use weir_proto::health::NodeHealth;

use super::*;
use crate::sync::fleet::Fleet;

fn identity(name: &str) -> Identity {
    Identity {
        name: name.to_owned(),
        instance: format!("{name}-1"),
        ..Identity::default()
    }
}

fn upstream(id: &str, status: &str) -> UpstreamHealth {
    let node = NodeHealth {
        status: status.to_owned(),
        ..NodeHealth::default()
    };
    UpstreamHealth {
        key: Some((&key(id)).into()),
        nodes: vec![node],
        ..UpstreamHealth::default()
    }
}

fn key(id: &str) -> Key {
    format!("upstreams/{id}").parse().unwrap()
}

fn report(full: bool, upstreams: &[(&str, &str)], removals: &[&str]) -> Report {
    Report {
        full,
        upstreams: upstreams.iter().map(|(id, is)| upstream(id, is)).collect(),
        removals: removals.iter().map(|id| (&key(id)).into()).collect(),
    }
}

/// Tickets as the fleet hands them out.
fn tickets(count: usize) -> Vec<Ticket> {
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet::open(dir.path(), 1).unwrap();
    (0..count)
        .map(|_| fleet.connect(identity("a"), 1))
        .collect()
}

fn shown(health: &Health, id: &str) -> Vec<(String, String)> {
    let told = health.of(&key(id), 7).into_iter();
    told.map(|agent| {
        let status = agent.upstream.unwrap().nodes[0].status.clone();
        (agent.name, status)
    })
    .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = expected.iter();
    owned
        .map(|(name, status)| ((*name).to_owned(), (*status).to_owned()))
        .collect()
}

#[test]
fn reports_change_what_they_name_and_a_full_one_replaces_all() {
    let health = Health::default();
    let ticket = tickets(1)[0];
    let (a, b) = (identity("a"), identity("b"));
    health.update(
        &a,
        ticket,
        report(true, &[("1", "up"), ("2", "up")], &[]),
        1,
    );
    health.update(&b, ticket, report(true, &[("1", "up")], &[]), 1);
    health.update(&a, ticket, report(false, &[("1", "down")], &["2"]), 2);
    assert_eq!(shown(&health, "1"), pairs(&[("a", "down"), ("b", "up")]));
    assert_eq!(shown(&health, "2"), pairs(&[]));
    health.update(&a, ticket, report(true, &[("3", "up")], &[]), 3);
    assert_eq!(shown(&health, "1"), pairs(&[("b", "up")]));
    assert_eq!(health.of(&key("3"), 7)[0].node_id, 7);
    assert_eq!(health.of(&key("3"), 7)[0].reported_ms, 3);
}

#[test]
fn an_agent_that_leaves_is_forgotten_but_not_one_that_came_back() {
    let health = Health::default();
    let [first, second] = tickets(2)[..] else {
        panic!("two tickets");
    };
    let a = identity("a");
    health.update(&a, first, report(true, &[("1", "up")], &[]), 1);
    // It comes back before the end of its first stream is noticed.
    health.update(&a, second, report(true, &[("1", "down")], &[]), 2);
    health.update(&a, first, report(false, &[("1", "late")], &[]), 3);
    health.forget(&a, first);
    assert_eq!(shown(&health, "1"), pairs(&[("a", "down")]));
    health.forget(&a, second);
    assert_eq!(shown(&health, "1"), pairs(&[]));
    assert_eq!(health.table().bytes, 0);
}

#[test]
fn a_part_of_a_stream_whose_begin_is_not_known_begins_anew() {
    let health = Health::default();
    let [first, second] = tickets(2)[..] else {
        panic!("two tickets");
    };
    let a = identity("a");
    health.update(&a, first, report(true, &[("1", "up")], &[]), 1);
    health.update(&a, second, report(false, &[("2", "up")], &[]), 2);
    assert_eq!(
        shown(&health, "1"),
        pairs(&[]),
        "nothing of the first is left"
    );
}

#[test]
fn what_is_kept_is_bounded() {
    let size = upstream("1", "up").encoded_len();
    let health = Health {
        limits: Limits {
            one: 2 * size,
            all: 3 * size,
            answer: 1,
        },
        table: Mutex::default(),
    };
    let ticket = tickets(1)[0];
    let three = [("1", "up"), ("2", "up"), ("3", "up")];
    let (a, b) = (identity("a"), identity("b"));
    let taken = health.update(&a, ticket, report(true, &three, &[]), 1);
    assert_eq!(taken.left_out, 1, "of one agent");
    let taken = health.update(&b, ticket, report(true, &three, &[]), 1);
    assert_eq!(taken.left_out, 2, "of all");
    let answer = health.of(&key("1"), 1);
    let left_out: Vec<u32> = answer
        .iter()
        .map(|agent| agent.upstream.as_ref().unwrap().left_out)
        .collect();
    assert_eq!(left_out, [0, 1], "of an answer");
    // What does not fit any more is not kept as it was either.
    let mut large = upstream("1", "down");
    large.fallback = "x".repeat(size);
    let large = Report {
        upstreams: vec![large],
        ..Report::default()
    };
    assert_eq!(health.update(&a, ticket, large, 2).left_out, 1);
    assert_eq!(shown(&health, "1"), pairs(&[("b", "up")]));
    health.forget(&a, ticket);
    health.forget(&b, ticket);
    assert_eq!(health.table().bytes, 0);
}

#[test]
fn of_two_nodes_that_know_an_agent_the_one_that_heard_last_counts() {
    let agent = |node_id, reported_ms| AgentHealth {
        name: "a".to_owned(),
        node_id,
        reported_ms,
        ..AgentHealth::default()
    };
    let merged = merge(vec![agent(1, 5), agent(2, 9), agent(3, 7)]);
    assert_eq!(merged, [agent(2, 9)]);
}
