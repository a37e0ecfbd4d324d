//! All nodes stop; damaged files.

use std::path::{Path, PathBuf};

use super::harness::{SNAPSHOT_EVERY, TestCluster, put, until, uri, write};
use crate::Handle;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_that_was_stopped_has_everything() {
    let mut cluster = TestCluster::start(3).await;
    // Addresses must be known before: nobody is there to ask where the others are now.
    for position in 0..3 {
        let address = cluster.nodes[position].peer();
        let options = &mut cluster.nodes[position].options;
        options.peer_listen = address.parse().unwrap();
        options.peer_address = address;
    }
    for number in 0..SNAPSHOT_EVERY + 50 {
        let id = format!("r{}", number % 10);
        write(cluster.nodes[0].handle(), put(&id, number)).await;
    }
    let before = cluster.same_state().await;
    for node in &mut cluster.nodes {
        node.stop().await;
    }
    for node in &mut cluster.nodes {
        node.start().await;
    }
    cluster.settled(3).await;
    for node in &cluster.nodes {
        let state = node.handle().read().await.unwrap();
        assert_eq!(uri(&state, "r9"), Some(format!("/{}", SNAPSHOT_EVERY + 49)));
    }
    assert_eq!(cluster.same_state().await, before);
}

fn snapshots(cluster: &TestCluster) -> Vec<PathBuf> {
    let dir = cluster.nodes[0].options.data_dir.join("snapshots");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// The index of the last entry in a snapshot, from its name; `None` for one that is being written.
fn index(path: &Path) -> Option<u64> {
    let (index, rest) = path.file_name()?.to_str()?.split_once('-')?;
    rest.strip_suffix(".snapshot")?;
    index.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_named_and_not_served() {
    let mut cluster = TestCluster::start(1).await;
    for number in 0..SNAPSHOT_EVERY * 3 + 20 {
        write(cluster.nodes[0].handle(), put("a", number)).await;
    }
    // One that is still being made would be there after the stop, newer than the one to be damaged.
    until("two snapshots, and none that is due", || async {
        let files = snapshots(&cluster);
        let applied = cluster.nodes[0].handle().status().applied;
        let newest = files
            .last()
            .and_then(|path| index(path))
            .unwrap_or_default();
        if files.len() == 2 && applied - newest < SNAPSHOT_EVERY {
            Ok(())
        } else {
            Err((applied, files))
        }
    })
    .await;
    cluster.nodes[0].stop().await;
    let newest = snapshots(&cluster).pop().unwrap();
    let whole = std::fs::read(&newest).unwrap();
    for position in [3, 30, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x10;
        std::fs::write(&newest, damaged).unwrap();
        let error = Handle::start(cluster.nodes[0].options.clone())
            .await
            .err()
            .map(|error| format!("{error:#}"));
        let named = error
            .as_ref()
            .is_some_and(|error| error.contains("damaged"));
        assert!(named, "byte {position}: {error:?}");
    }
    std::fs::write(&newest, whole).unwrap();
    cluster.nodes[0].start().await;
    let state = cluster.nodes[0].handle().read().await.unwrap();
    assert_eq!(
        uri(&state, "a"),
        Some(format!("/{}", SNAPSHOT_EVERY * 3 + 19))
    );
}
