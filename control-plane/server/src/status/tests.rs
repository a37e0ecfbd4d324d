use weir_raft::{Role, Status};

use super::{body, not_ready};

fn status() -> Status {
    Status {
        node_id: 1,
        role: Role::Follower,
        leader_id: Some(2),
        term: 3,
        last_log: 9,
        committed: 8,
        applied: 8,
        purged: 0,
        members: Vec::new(),
        cluster_id: "c".to_owned(),
    }
}

#[test]
fn ready_means_a_leader_is_known_and_all_is_applied() {
    assert_eq!(not_ready(&status()), None);
    let alone = Status {
        leader_id: None,
        ..status()
    };
    assert_eq!(not_ready(&alone).unwrap(), "no leader is known in term 3");
    let behind = Status {
        applied: 5,
        ..status()
    };
    assert_eq!(
        not_ready(&behind).unwrap(),
        "applied 5 of 8 committed entries"
    );
    let outside = Status {
        role: Role::Standby,
        ..status()
    };
    assert!(not_ready(&outside).is_some());
}

#[test]
fn status_tells_the_hash_with_its_index() {
    let body = body(&status(), 7, "abc");
    assert_eq!(body["role"], "follower");
    assert_eq!(body["state_hash"], "abc");
    assert_eq!(body["state_hash_index"], 7);
}
