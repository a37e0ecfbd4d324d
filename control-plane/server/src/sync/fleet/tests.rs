use super::*;

fn identity(name: &str, instance: &str) -> Identity {
    Identity {
        name: name.to_owned(),
        instance: instance.to_owned(),
        region: "eu".to_owned(),
        group: "edge".to_owned(),
        version: "0.1.0".to_owned(),
        address: "127.0.0.1:5000".to_owned(),
    }
}

fn problem(id: &str) -> weir_proto::resource::Problem {
    weir_proto::resource::Problem {
        key: Some(weir_proto::resource::Key {
            kind: "route".to_owned(),
            id: id.to_owned(),
        }),
        path: "plugins.key-auth".to_owned(),
        message: "expected a string, got 1".to_owned(),
    }
}

fn open(folder: &tempfile::TempDir) -> Fleet {
    Fleet::open(folder.path(), 7).unwrap()
}

#[test]
fn nack_is_listed_until_an_acknowledgement_without_problems() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = open(&folder);
    let who = identity("a", "1");
    let ticket = fleet.connect(who.clone(), 10);
    let nack = |revision| Acked {
        revision,
        refused: vec![problem("1")],
        ..Acked::default()
    };
    fleet.acknowledge(&who, ticket, nack(5), 11);
    fleet.acknowledge(&who, ticket, nack(6), 12);
    let listed = fleet.list(8);
    assert_eq!(listed[0].refused, vec![problem("1")]);
    assert_eq!(
        listed[0].refused_revision, 5,
        "the revision that brought the problem"
    );
    assert_eq!((listed[0].revision, listed[0].lag), (6, 2));
    let ack = Acked {
        revision: 8,
        ..Acked::default()
    };
    fleet.acknowledge(&who, ticket, ack, 13);
    let listed = fleet.list(8);
    assert!(listed[0].refused.is_empty());
    assert_eq!(listed[0].refused_revision, 0);
    assert_eq!(listed[0].node_id, 7);
}

#[test]
fn later_process_of_a_name_takes_the_place_of_one_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = open(&folder);
    let first = identity("a", "1");
    let ticket = fleet.connect(first.clone(), 10);
    fleet.acknowledge(
        &first,
        ticket,
        Acked {
            revision: 4,
            ..Acked::default()
        },
        11,
    );
    fleet.disconnect(&first, ticket, 12);
    let second = identity("a", "2");
    fleet.connect(second, 13);
    let listed = fleet.list(4);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].instance, "2");
    assert!(listed[0].connected);
    assert_eq!(listed[0].revision, 4, "what the name applied last is kept");
}

#[test]
fn two_processes_with_one_name_are_both_listed_while_connected() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = open(&folder);
    let one = identity("a", "1");
    let ticket = fleet.connect(one.clone(), 10);
    fleet.connect(identity("a", "2"), 11);
    assert_eq!(fleet.list(0).len(), 2);
    assert_eq!(fleet.connected(), 2);
    fleet.disconnect(&one, ticket, 12);
    assert_eq!(fleet.list(0).len(), 1);
}

#[test]
fn outdated_stream_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = open(&folder);
    let who = identity("a", "1");
    let old = fleet.connect(who.clone(), 10);
    let new = fleet.connect(who.clone(), 11);
    fleet.disconnect(&who, old, 12);
    assert!(fleet.list(0)[0].connected);
    fleet.disconnect(&who, new, 13);
    assert!(!fleet.list(0)[0].connected);
}

#[tokio::test]
async fn table_survives_a_restart_with_nobody_connected() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = open(&folder);
    let who = identity("a", "1");
    let ticket = fleet.connect(who.clone(), 10);
    let nack = Acked {
        revision: 3,
        refused: vec![problem("9")],
        ..Acked::default()
    };
    fleet.acknowledge(&who, ticket, nack, 11);
    fleet.save().await;
    let again = open(&folder);
    let listed = again.list(3);
    assert_eq!(listed[0].refused, vec![problem("9")]);
    assert!(!listed[0].connected);
}

#[tokio::test]
async fn broken_file_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agents.json"), b"{\"version\":1,").unwrap();
    let fleet = open(&folder);
    assert!(fleet.list(0).is_empty());
    assert!(folder.path().join("agents.json.broken").exists());
}

#[test]
fn oldest_disconnected_is_forgotten_first() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = open(&folder);
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let who = identity(name, "1");
        let ticket = fleet.connect(who.clone(), index as u64);
        if name != "a" {
            fleet.disconnect(&who, ticket, index as u64);
        }
    }
    let mut records = fleet.table().records.clone();
    forget_oldest(&mut records, 2);
    let names: Vec<_> = records.keys().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[test]
fn merge_prefers_the_node_that_is_connected() {
    let agent = |name: &str, instance: &str, connected, last_seen_ms, node_id| Agent {
        name: name.to_owned(),
        instance: instance.to_owned(),
        connected,
        last_seen_ms,
        node_id,
        ..Agent::default()
    };
    let merged = merge(vec![
        agent("a", "1", false, 50, 1),
        agent("a", "1", true, 40, 2),
        agent("b", "1", false, 10, 1),
        agent("b", "2", false, 20, 2),
        agent("c", "1", true, 10, 1),
        agent("c", "0", false, 90, 2),
    ]);
    let seen: Vec<_> = merged
        .iter()
        .map(|agent| (agent.name.as_str(), agent.instance.as_str(), agent.node_id))
        .collect();
    assert_eq!(seen, [("a", "1", 2), ("b", "2", 2), ("c", "1", 1)]);
}
