//! Nodes come and go.

use super::harness::{SNAPSHOT_EVERY, TestCluster, TestNode, put, until, uri, write};
use crate::{Handle, Member, MembershipError, Start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_comes_back_by_a_snapshot_as_a_new_member() {
    let mut cluster = TestCluster::start(3).await;
    let lost = (cluster.leader().await + 1) % 3;
    let first = (lost + 1) % 3;
    for number in 0..SNAPSHOT_EVERY * 3 {
        let id = format!("r{}", number % 50);
        write(cluster.nodes[first].handle(), put(&id, number)).await;
    }
    until("the log is purged", || async {
        let status = cluster.nodes[first].handle().status();
        if status.purged > SNAPSHOT_EVERY {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
    cluster.nodes[lost].stop().await;
    cluster.nodes[lost].wipe();
    let member = cluster.nodes[first].peer();
    cluster.nodes[lost].options.start = Start::Join(member);
    cluster.nodes[lost].start().await;
    cluster.settled(3).await;
    cluster.same_state().await;
    let handle = cluster.nodes[lost].handle();
    assert!(handle.metrics().snapshots_installed >= 1);
    // It counts: with it, one of the others may go.
    let leader = cluster.leader().await;
    let other = (0..3)
        .find(|node| *node != lost && *node != leader)
        .unwrap();
    cluster.nodes[other].stop().await;
    write(cluster.nodes[leader].handle(), put("last", 1)).await;
    let state = cluster.nodes[lost].handle().read().await.unwrap();
    assert_eq!(uri(&state, "last"), Some("/1".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_node_is_added_as_a_learner_promoted_and_removed() {
    let mut cluster = TestCluster::start(1).await;
    write(cluster.nodes[0].handle(), put("a", 1)).await;
    // A free port, so that the address is known before the node is told its place.
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut options = cluster.options(2, Start::Resume);
    options.peer_listen = address;
    options.peer_address = address.to_string();
    let waiting = tokio::spawn(Handle::start(options.clone()));
    let member = Member {
        node_id: 2,
        peer_address: address.to_string(),
        grpc_address: options.grpc_address.clone(),
        voter: false,
        matched: 0,
    };
    let leader = cluster.nodes[0].handle();
    leader.add_learner(member).await.unwrap();
    let handle = waiting.await.unwrap().unwrap();
    let voters = |handle: &Handle| {
        let members = handle.status().members;
        members.iter().filter(|member| member.voter).count()
    };
    assert_eq!(voters(leader), 1);
    assert_eq!(leader.status().members.len(), 2);
    leader.promote(2).await.unwrap();
    assert_eq!(voters(leader), 2);
    let handle = Some(handle);
    cluster.nodes.push(TestNode { options, handle });
    cluster.settled(2).await;
    cluster.same_state().await;

    // Through the other node, which is not the leader.
    cluster.nodes[1].handle().remove(2, false).await.unwrap();
    assert_eq!(voters(cluster.nodes[0].handle()), 1);
    write(cluster.nodes[0].handle(), put("a", 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removals_that_do_harm_are_refused() {
    let mut cluster = TestCluster::start(3).await;
    let leader = cluster.leader().await;
    let handle = cluster.nodes[leader].handle().clone();
    assert!(matches!(
        handle.remove(9, false).await,
        Err(MembershipError::NotAMember(9))
    ));
    assert!(matches!(
        handle.promote(9).await,
        Err(MembershipError::NotAMember(9))
    ));
    let (lost, healthy) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.nodes[lost].stop().await;
    let healthy_id = cluster.nodes[healthy].options.node_id;
    let lost_id = cluster.nodes[lost].options.node_id;
    until("the removal of the healthy node is refused", || async {
        match handle.remove(healthy_id, false).await {
            Err(MembershipError::Unsafe(reason)) => Ok(reason),
            other => Err(other),
        }
    })
    .await;
    // The lost one may go, and then its absence does not matter.
    handle.remove(lost_id, false).await.unwrap();
    cluster.settled(2).await;
    write(&handle, put("a", 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_leader_hands_over_first() {
    let mut cluster = TestCluster::start(3).await;
    let leader = cluster.leader().await;
    let node_id = cluster.nodes[leader].options.node_id;
    let other = (leader + 1) % 3;
    cluster.nodes[leader]
        .handle()
        .remove(node_id, false)
        .await
        .unwrap();
    cluster.nodes[leader].stop().await;
    cluster.settled(2).await;
    write(cluster.nodes[other].handle(), put("a", 1)).await;
    let status = cluster.nodes[other].handle().status();
    assert!(
        status
            .members
            .iter()
            .all(|member| member.node_id != node_id)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_under_a_living_id_is_refused() {
    let mut cluster = TestCluster::start(2).await;
    let mut options = cluster.options(2, Start::Join(cluster.nodes[0].peer()));
    options.data_dir = options.data_dir.join("second");
    let refused = Handle::start(options);
    // It is tried for a while, since a lost member is noticed late; the living one stays.
    let result = tokio::time::timeout(std::time::Duration::from_secs(3), refused).await;
    assert!(result.is_err_and(|_| true), "the second node was taken");
    cluster.settled(2).await;
    cluster.nodes[1].stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_moved_is_found_again() {
    let mut cluster = TestCluster::start(3).await;
    let moved = (cluster.leader().await + 1) % 3;
    let before = cluster.nodes[moved].peer();
    cluster.nodes[moved].stop().await;
    // Port 0: another one is bound.
    cluster.nodes[moved].start().await;
    let node_id = cluster.nodes[moved].options.node_id;
    until("all members know the new address", || async {
        let addresses: Vec<_> = cluster
            .running()
            .flat_map(|handle| handle.status().members)
            .filter(|member| member.node_id == node_id)
            .map(|member| member.peer_address)
            .collect();
        if addresses.len() == 3 && addresses.iter().all(|address| *address != before) {
            Ok(())
        } else {
            Err(addresses)
        }
    })
    .await;
    write(cluster.nodes[moved].handle(), put("a", 1)).await;
    cluster.same_state().await;
}
