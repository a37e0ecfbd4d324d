use super::*;

#[test]
fn a_status_is_readable() {
    let member = |node_id, role: &str, reachable, lag| Member {
        node_id,
        peer_address: format!("127.0.0.{node_id}:9182"),
        grpc_address: format!("127.0.0.{node_id}:9181"),
        role: role.to_owned(),
        voter: true,
        matched: 100 - lag,
        applied: 100 - lag,
        lag,
        reachable,
    };
    let status = StatusResponse {
        node_id: 1,
        role: "leader".to_owned(),
        leader_id: 1,
        term: 3,
        last_log: 100,
        committed: 100,
        applied: 100,
        purged: 0,
        members: vec![
            member(1, "leader", true, 0),
            member(2, "unknown", false, 40),
        ],
        cluster_id: "c1".to_owned(),
        state_hash: "abc".to_owned(),
        state_hash_index: 100,
        version: "0.1.0".to_owned(),
    };
    let shown = Shown(status);
    assert_eq!(
        shown.text(Format::Table, Palette::PLAIN),
        "\
leader:      1
cluster:     c1
asked node:  1 (leader, 0.1.0)
term:        3
last log:    100
committed:   100
applied:     100
purged:      0
state hash:  abc at 100

NODE  ROLE     VOTER  REACHABLE  LOG  APPLIED  LAG  PEER            GRPC
1     leader   yes    yes        100  100      0    127.0.0.1:9182  127.0.0.1:9181
2     unknown  yes    no         -    -        -    127.0.0.2:9182  127.0.0.2:9181
"
    );
    assert_eq!(shown.data()["members"][1]["lag"], 40);
    assert_eq!(shown.names(), ["1", "2"]);
}
