//! Writes, preconditions, ids, times, expiry.

use serde_json::json;
use weir_model::{Key, Kind};

use super::fixture::{Log, delete, key, put, write};
use crate::{
    Change, Command, Effect, Operation, Outcome, Precondition, Refusal, Target, changes_since,
    delta,
};

fn with(precondition: Precondition, change: Change) -> Change {
    Change {
        precondition,
        ..change
    }
}

#[test]
fn put_creates_then_changes_and_keeps_the_birth() {
    let mut log = Log::default();
    let created = log.write(vec![put("routes/1", json!({"uri": "/a"}))]);
    assert_eq!(created[0].effect, Effect::Created);
    let same = log.apply(Command::Write {
        changes: vec![put("routes/1", json!({"uri": "/a"}))],
        at_ms: 1_700_000_009_000,
        author: String::new(),
        message: String::new(),
    });
    assert!(matches!(same, Outcome::Done { revision: 2, .. }));
    let route = log.state.set.get(&key("routes/1")).unwrap();
    assert_eq!((route.created, route.modified), (1, 2));
    assert_eq!(
        (route.create_time, route.update_time),
        (1_700_000_000, 1_700_000_009)
    );
}

#[test]
fn one_write_makes_all_changes_or_none() {
    let mut log = Log::default();
    let refusal = log.refuse(vec![
        put("upstreams/1", json!({})),
        put("routes/1", json!({"upstream_id": "2"})),
    ]);
    assert!(matches!(refusal, Refusal::Invalid { change: 1, .. }));
    assert!(log.state.set.resources.is_empty());
    assert_eq!(log.state.set.revision, 0);
}

#[test]
fn empty_write_does_not_move_the_revision() {
    let mut log = Log::default();
    log.write(vec![put("routes/1", json!({}))]);
    let outcome = log.apply(write(Vec::new()));
    assert_eq!(
        outcome,
        Outcome::Done {
            revision: 1,
            changed: Vec::new()
        }
    );
}

#[test]
fn preconditions_are_checked_against_the_last_change() {
    let mut log = Log::default();
    let absent = |revision| with(Precondition::Modified(revision), put("routes/1", json!({})));
    assert!(matches!(
        log.refuse(vec![absent(1)]),
        Refusal::Precondition { modified: None, .. }
    ));
    log.write(vec![with(Precondition::Absent, put("routes/1", json!({})))]);
    let revision = log.state.set.revision;
    assert!(matches!(
        log.refuse(vec![with(
            Precondition::Absent,
            put("routes/1", json!({}))
        )]),
        Refusal::Precondition { modified: Some(at), .. } if at == revision
    ));
    log.write(vec![absent(revision)]);
    assert!(matches!(
        log.refuse(vec![with(Precondition::Present, delete("routes/2"))]),
        Refusal::Precondition { modified: None, .. }
    ));
}

#[test]
fn delete_of_what_is_not_there_is_not_found() {
    let mut log = Log::default();
    assert_eq!(
        log.refuse(vec![delete("routes/1")]),
        Refusal::NotFound {
            change: 0,
            key: key("routes/1")
        }
    );
}

#[test]
fn new_ids_have_20_digits_grow_and_never_come_back() {
    let mut log = Log::default();
    let post = || Change {
        target: Target::New(Kind::Route),
        ..put("routes/x", json!({}))
    };
    let first = log.write(vec![post(), post(), post()]);
    let ids: Vec<_> = first.iter().map(|changed| &*changed.key.id).collect();
    assert_eq!(
        ids,
        [
            "00000000000000000001",
            "00000000000000000002",
            "00000000000000000003"
        ]
    );
    log.write(vec![delete("routes/00000000000000000003")]);
    log.write(vec![put("routes/00000000000000000004", json!({}))]);
    let next = log.write(vec![post()]);
    assert_eq!(&*next[0].key.id, "00000000000000000005");
}

#[test]
fn deleting_a_consumer_deletes_its_credentials_and_no_others() {
    let mut log = Log::default();
    log.write(vec![
        put("consumers/jack", json!({"username": "jack"})),
        put("consumers/jack2", json!({"username": "jack2"})),
        put("credentials/jack/c1", json!({})),
        put("credentials/jack2/c1", json!({})),
    ]);
    let from = log.state.set.revision;
    let changed = log.write(vec![
        delete("consumers/jack"),
        delete("credentials/jack/c1"),
    ]);
    assert_eq!(changed.len(), 2);
    let left: Vec<_> = log.state.set.resources.keys().map(Key::to_string).collect();
    assert_eq!(left, ["consumers/jack2", "credentials/jack2/c1"]);
    assert_eq!(
        delta(&log.state, from).removals,
        [key("consumers/jack"), key("credentials/jack/c1")]
    );
}

#[test]
fn credential_needs_its_consumer() {
    let mut log = Log::default();
    assert_eq!(
        log.refuse(vec![put("credentials/jack/c1", json!({}))]),
        Refusal::MissingParent {
            change: 0,
            key: key("credentials/jack/c1"),
            parent: key("consumers/jack"),
        }
    );
    log.write(vec![
        put("credentials/jack/c1", json!({})),
        put("consumers/jack", json!({})),
    ]);
}

#[test]
fn expire_removes_only_what_is_over() {
    let mut log = Log::default();
    let with_ttl = |target, at| Change {
        operation: Operation::Put {
            spec: json!({}).into(),
            expires_at_ms: Some(at),
        },
        ..put(target, json!({}))
    };
    log.write(vec![
        with_ttl("routes/1", 100),
        with_ttl("routes/2", 200),
        put("routes/3", json!({})),
    ]);
    assert_eq!(log.state.next_expiry_ms(), Some(100));
    let nothing = log.apply(Command::Expire { at_ms: 99 });
    assert!(matches!(nothing, Outcome::Done { revision: 1, .. }));
    let outcome = log.apply(Command::Expire { at_ms: 100 });
    assert!(
        matches!(outcome, Outcome::Done { revision: 3, changed } if changed[0].key == key("routes/1"))
    );
    // A put without a time to live keeps it for good.
    log.write(vec![put("routes/2", json!({}))]);
    assert_eq!(log.state.next_expiry_ms(), None);
}

#[test]
fn bootstrap_names_the_cluster_once() {
    let mut log = Log::default();
    for name in ["a", "b"] {
        log.apply(Command::Bootstrap {
            cluster_id: name.to_owned(),
        });
    }
    assert_eq!(log.state.cluster_id, "a");
    assert_eq!(log.state.set.revision, 1);
}

#[test]
fn delta_folds_several_change_sets_into_what_is_there_now() {
    let mut log = Log::default();
    log.write(vec![put("routes/1", json!({})), put("routes/2", json!({}))]);
    log.write(vec![delete("routes/1"), put("routes/3", json!({}))]);
    log.write(vec![put("routes/1", json!({"uri": "/new"}))]);
    log.write(vec![delete("routes/3")]);
    let delta = delta(&log.state, 1);
    assert!(!delta.full);
    assert_eq!(delta.upserts.len(), 1);
    assert_eq!(delta.upserts[0].key, key("routes/1"));
    assert_eq!(delta.removals, [key("routes/3")]);
}

#[test]
fn delta_is_full_when_the_history_does_not_reach_back() {
    let mut log = Log::default();
    for _ in 0..5 {
        log.write(vec![put("routes/1", json!({}))]);
    }
    let record = log.state.changes.records.last().unwrap().clone();
    log.state.changes.push_within(record, 3, usize::MAX);
    assert_eq!(log.state.changes.floor, 3);
    assert!(delta(&log.state, 2).full);
    assert!(!delta(&log.state, 3).full);
    assert!(delta(&log.state, 0).full);
    assert!(delta(&log.state, 99).full);
    assert_eq!(changes_since(&log.state, 2), None);
    assert_eq!(changes_since(&log.state, 99), None);
    assert_eq!(changes_since(&log.state, 4).unwrap()[0].revision, 5);
}

#[test]
fn history_is_bounded_by_keys_too() {
    let mut log = Log::default();
    log.write(vec![put("routes/1", json!({})), put("routes/2", json!({}))]);
    let record = log.state.changes.records.last().unwrap().clone();
    log.state.changes.push_within(record, 100, 3);
    assert_eq!(log.state.changes.records.len(), 1);
}
