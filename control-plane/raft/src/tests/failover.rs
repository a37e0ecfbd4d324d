//! The leader goes: writing goes on, and nothing is lost.

use std::time::{Duration, Instant};

use super::harness::{TestCluster, put, until, uri, write};
use crate::ReadError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_goes_on_when_the_leader_stops_and_the_leader_catches_up_later() {
    let mut cluster = TestCluster::start(3).await;
    let leader = cluster.leader().await;
    let other = (leader + 1) % 3;
    for number in 0..20 {
        write(cluster.nodes[other].handle(), put("a", number)).await;
    }
    let started = Instant::now();
    cluster.nodes[leader].stop().await;
    write(cluster.nodes[other].handle(), put("a", 20)).await;
    let gap = started.elapsed();
    assert!(
        gap < Duration::from_secs(15),
        "writing went on after {gap:?}"
    );
    for number in 21..40 {
        write(cluster.nodes[other].handle(), put("a", number)).await;
    }
    cluster.nodes[leader].start().await;
    cluster.settled(3).await;
    let state = cluster.nodes[leader].handle().read().await.unwrap();
    assert_eq!(uri(&state, "a"), Some("/39".to_owned()));
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_acknowledged_and_nothing_is_read_as_newest() {
    let mut cluster = TestCluster::start(3).await;
    let leader = cluster.leader().await;
    write(cluster.nodes[leader].handle(), put("a", 1)).await;
    let lone = (leader + 1) % 3;
    cluster.nodes[lone].stop().await;
    cluster.nodes[lone].options.deadline = Duration::from_secs(5);
    cluster.nodes[lone].start().await;
    cluster.settled(3).await;
    cluster.nodes[lone].handle().read().await.unwrap();
    for (position, node) in cluster.nodes.iter_mut().enumerate() {
        if position != lone {
            node.stop().await;
        }
    }
    let handle = cluster.nodes[lone].handle();
    assert!(handle.write(put("a", 2)).await.is_err());
    assert!(matches!(
        handle.read().await,
        Err(ReadError::Unavailable { .. })
    ));
    // What it has can be asked for by name.
    assert_eq!(uri(&handle.stale(), "a"), Some("/1".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_without_a_lost_write() {
    let cluster = TestCluster::start(3).await;
    let leader = cluster.leader().await;
    let asked = cluster.nodes[(leader + 2) % 3].handle();
    let to = cluster.nodes[(leader + 1) % 3].options.node_id;
    assert_eq!(asked.transfer_leader(Some(to)).await.unwrap(), to);
    write(asked, put("a", 1)).await;
    let next = asked.transfer_leader(None).await.unwrap();
    assert_ne!(next, to);
    write(asked, put("a", 2)).await;
    until("all nodes follow the new leader", || async {
        let seen: Vec<_> = cluster
            .running()
            .map(|node| node.status().leader_id)
            .collect();
        if seen.iter().all(|leader| *leader == Some(next)) {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
    cluster.same_state().await;
}
