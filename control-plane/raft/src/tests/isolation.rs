//! A node that is cut off knows it, and one that cannot go on says why.

use std::time::Duration;

use super::harness::{TestCluster, put, until, write};
use crate::WriteError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_majority_proposes_nothing_and_knows_no_leader() {
    let mut cluster = TestCluster::start(3).await;
    cluster.pin();
    let leader = cluster.leader().await;
    // Its deadline is shorter than the patience of the test.
    cluster.nodes[leader].stop().await;
    cluster.nodes[leader].options.deadline = Duration::from_secs(2);
    cluster.nodes[leader].start().await;
    cluster.settled(3).await;
    let node_id = cluster.nodes[leader].options.node_id;
    let asked = cluster.nodes[leader].handle();
    until("it leads again", || async {
        asked.transfer_leader(Some(node_id)).await
    })
    .await;
    write(asked, put("a", 1)).await;
    assert!(asked.silence() < Duration::from_secs(2));
    for (position, node) in cluster.nodes.iter_mut().enumerate() {
        if position != leader {
            node.stop().await;
        }
    }
    let asked = cluster.nodes[leader].handle();
    until("it knows no leader", || async {
        match asked.status().leader_id {
            None => Ok(()),
            Some(leader) => Err(leader),
        }
    })
    .await;
    let last_log = asked.status().last_log;
    let refused = asked.write(put("a", 2)).await;
    assert!(
        matches!(refused, Err(WriteError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(asked.status().last_log, last_log);
    for node in &mut cluster.nodes {
        if node.handle.is_none() {
            node.start().await;
        }
    }
    cluster.settled(3).await;
    write(cluster.nodes[leader].handle(), put("a", 3)).await;
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_is_told_that_it_cannot_go_on() {
    let mut cluster = TestCluster::start(3).await;
    let gone = (cluster.leader().await + 1) % 3;
    let node_id = cluster.nodes[gone].options.node_id;
    let stays = cluster.nodes[(gone + 1) % 3].handle();
    stays.remove(node_id, false).await.unwrap();
    write(stays, put("a", 1)).await;
    let reason = cluster.nodes[gone].handle().failed();
    let reason = tokio::time::timeout(Duration::from_secs(60), reason)
        .await
        .unwrap();
    assert!(reason.contains("removed from its cluster"), "{reason}");
    // The same after a restart on its old directory.
    cluster.nodes[gone].stop().await;
    cluster.nodes[gone].start().await;
    let reason = cluster.nodes[gone].handle().failed();
    let reason = tokio::time::timeout(Duration::from_secs(60), reason)
        .await
        .unwrap();
    assert!(reason.contains("removed from its cluster"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_only_cut_off_goes_on() {
    let mut cluster = TestCluster::start(3).await;
    cluster.pin();
    let leader = cluster.leader().await;
    let lone = (leader + 1) % 3;
    for (position, node) in cluster.nodes.iter_mut().enumerate() {
        if position != lone {
            node.stop().await;
        }
    }
    let handle = cluster.nodes[lone].handle();
    let failed = tokio::time::timeout(Duration::from_secs(8), handle.failed()).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(handle.status().leader_id, None);
    for node in &mut cluster.nodes {
        if node.handle.is_none() {
            node.start().await;
        }
    }
    cluster.settled(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_log_ends_the_node() {
    let cluster = TestCluster::start(1).await;
    let handle = cluster.nodes[0].handle();
    write(handle, put("a", 1)).await;
    handle.break_log().await;
    let refused = handle.write(put("a", 2)).await;
    assert!(refused.is_err(), "{refused:?}");
    let reason = tokio::time::timeout(Duration::from_secs(60), handle.failed())
        .await
        .unwrap();
    assert!(reason.contains("raft.db is closed"), "{reason}");
}
