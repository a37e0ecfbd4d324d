//! A healthy cluster: writes and reads through every node.

use weir_store::{Command, Outcome};

use super::harness::{TestCluster, put, until, uri, write};
use crate::{Handle, Role, Start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_takes_writes_and_reads_what_was_written_elsewhere() {
    let cluster = TestCluster::start(3).await;
    for number in 0..30_u64 {
        let writer = cluster.nodes[number as usize % 3].handle();
        let outcome = writer.write(put("a", number)).await.unwrap();
        let Outcome::Done { revision, changed } = outcome else {
            panic!("refused: {outcome:?}");
        };
        assert_eq!(changed.len(), 1);
        for node in &cluster.nodes {
            let state = node.handle().read().await.unwrap();
            assert!(state.set.revision >= revision);
            assert_eq!(uri(&state, "a"), Some(format!("/{number}")));
        }
    }
    cluster.same_state().await;
    let metrics = cluster.nodes[1].handle().metrics();
    assert_eq!((metrics.proposals, metrics.failed), (10, 0));
    assert_eq!(metrics.reads, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_has_everything_after_a_restart() {
    let mut cluster = TestCluster::start(1).await;
    let id = cluster.nodes[0].handle().status().cluster_id;
    assert_eq!(cluster.nodes[0].handle().stale().cluster_id, id);
    for number in 0..500 {
        cluster.nodes[0]
            .handle()
            .write(put(&format!("r{}", number % 7), number))
            .await
            .unwrap();
    }
    let before = cluster.same_state().await;
    assert!(cluster.nodes[0].handle().metrics().snapshots_built >= 1);
    cluster.nodes[0].stop().await;
    cluster.nodes[0].start().await;
    let handle = cluster.nodes[0].handle();
    assert_eq!(weir_store::state_hash(&handle.stale()), before);
    assert_eq!(handle.status().role, Role::Leader);
    assert_eq!(handle.status().cluster_id, id);
    assert_eq!(handle.stale().cluster_id, id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_of_the_state_see_the_newest_one() {
    let cluster = TestCluster::start(1).await;
    let handle = cluster.nodes[0].handle();
    let mut states = handle.watch();
    handle.write(put("a", 7)).await.unwrap();
    states
        .wait_for(|state| uri(state, "a").is_some())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_serves_one_process_and_one_node_id() {
    let mut cluster = TestCluster::start(1).await;
    let options = cluster.nodes[0].options.clone();
    let second = Handle::start(options.clone()).await.err().unwrap();
    assert!(format!("{second:#}").contains("used by another process"));
    cluster.nodes[0].stop().await;
    let other = crate::Options {
        node_id: 9,
        ..options
    };
    let wrong = Handle::start(other).await.err().unwrap();
    assert!(
        format!("{wrong:#}").contains("belongs to node 1"),
        "{wrong:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_join_at_once_all_become_voters() {
    let mut cluster = TestCluster::start(1).await;
    let first = cluster.nodes[0].peer();
    let mut joining = Vec::new();
    for node_id in 2..=4 {
        let options = cluster.options(node_id, Start::Join(first.clone()));
        joining.push((options.clone(), tokio::spawn(Handle::start(options))));
    }
    for (options, handle) in joining {
        let handle = Some(handle.await.unwrap().unwrap());
        cluster
            .nodes
            .push(super::harness::TestNode { options, handle });
    }
    cluster.settled(4).await;
    cluster.nodes[3].handle().write(put("a", 1)).await.unwrap();
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_at_the_same_time_through_all_nodes_are_all_there() {
    let cluster = TestCluster::start(3).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..12_u64 {
        let handle = cluster.nodes[writer as usize % 3].handle().clone();
        writers.spawn(async move {
            for number in 0..20 {
                handle
                    .write(put(&format!("{writer}-{number}"), number))
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let state = cluster.nodes[2].handle().read().await.unwrap();
    assert_eq!(state.set.resources.len(), 240);
    cluster.same_state().await;
    until("a snapshot and a purge", || async {
        let status = cluster.nodes[0].handle().status();
        if status.purged > 0 {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_members_could_not_send_each_other_is_refused_before_the_log() {
    let cluster = TestCluster::start(1).await;
    let handle = cluster.nodes[0].handle();
    let before = handle.status().last_log;
    let cluster_id = "x".repeat(33 << 20);
    let refused = handle.write(Command::Bootstrap { cluster_id }).await;
    assert!(
        matches!(refused, Err(crate::WriteError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(handle.status().last_log, before);
    write(handle, put("a", 1)).await;
}
