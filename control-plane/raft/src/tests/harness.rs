//! Nodes with their directories, and waiting for conditions.

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use weir_model::{Key, Kind};
use weir_store::{Change, Command, Operation, Outcome, Precondition, State, Target};

use crate::{Handle, Options, Role, Start, Timing};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const SNAPSHOT_EVERY: u64 = 200;

/// Waits until `check` gives something.
pub(super) async fn until<T, E: Debug, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        match check().await {
            Ok(found) => return found,
            Err(seen) => assert!(started.elapsed() < PATIENCE, "{what}: last seen {seen:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn put(id: &str, number: u64) -> Command {
    Command::Write {
        changes: vec![Change {
            target: Target::Key(Key::new(Kind::Route, id)),
            operation: Operation::Put {
                spec: Arc::new(json!({"uri": format!("/{number}"), "weight": 0.1 * number as f64})),
                expires_at_ms: None,
            },
            precondition: Precondition::None,
        }],
        at_ms: 1_700_000_000_000 + number,
        author: "test".to_owned(),
        message: String::new(),
    }
}

pub(super) fn uri(state: &State, id: &str) -> Option<String> {
    let route = state.set.get(&Key::new(Kind::Route, id))?;
    Some(route.spec["uri"].as_str()?.to_owned())
}

/// One node; its directory outlives it.
pub(super) struct TestNode {
    pub(super) options: Options,
    pub(super) handle: Option<Handle>,
}

impl TestNode {
    pub(super) fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("the node was started")
    }

    pub(super) async fn start(&mut self) {
        let handle = Handle::start_with(self.options.clone(), Timing::default())
            .await
            .unwrap();
        self.handle = Some(handle);
    }

    pub(super) async fn stop(&mut self) {
        self.handle
            .take()
            .expect("the node was started")
            .shutdown()
            .await;
    }

    pub(super) fn wipe(&self) {
        std::fs::remove_dir_all(&self.options.data_dir).unwrap();
    }

    pub(super) fn peer(&self) -> String {
        let status = self.handle().status();
        let me = status
            .members
            .iter()
            .find(|member| member.node_id == status.node_id);
        me.unwrap().peer_address.clone()
    }
}

pub(super) struct TestCluster {
    pub(super) nodes: Vec<TestNode>,
    dir: TempDir,
}

impl TestCluster {
    /// Nodes 1 to `size`, all of them voters.
    pub(super) async fn start(size: u64) -> Self {
        let mut cluster = Self {
            nodes: Vec::new(),
            dir: tempfile::tempdir().unwrap(),
        };
        for _ in 0..size {
            let start = match cluster.nodes.first() {
                None => Start::Bootstrap,
                Some(first) => Start::Join(first.peer()),
            };
            cluster.add(start).await;
        }
        cluster.settled(size as usize).await;
        cluster
    }

    pub(super) fn options(&self, node_id: u64, start: Start) -> Options {
        let data_dir: PathBuf = self.dir.path().join(format!("node-{node_id}"));
        Options {
            node_id,
            data_dir,
            peer_listen: "127.0.0.1:0".parse().unwrap(),
            peer_address: "127.0.0.1:0".to_owned(),
            grpc_address: format!("127.0.0.1:{}", 40_000 + node_id),
            start,
            snapshot_every: SNAPSHOT_EVERY,
            deadline: Duration::from_secs(20),
        }
    }

    pub(super) async fn add(&mut self, start: Start) {
        let options = self.options(self.nodes.len() as u64 + 1, start);
        let mut node = TestNode {
            options,
            handle: None,
        };
        node.start().await;
        self.nodes.push(node);
    }

    /// From now on the nodes keep their addresses when they are started again: without a majority
    /// nobody can be told of a new one.
    pub(super) fn pin(&mut self) {
        for node in &mut self.nodes {
            let address = node.peer();
            node.options.peer_listen = address.parse().unwrap();
            node.options.peer_address = address;
        }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Handle> {
        self.nodes.iter().filter_map(|node| node.handle.as_ref())
    }

    /// Waits until all running nodes see one leader and `voters` voters.
    pub(super) async fn settled(&self, voters: usize) {
        until(&format!("{voters} voters and one leader"), || async {
            let statuses: Vec<_> = self.running().map(Handle::status).collect();
            let mut leaders: Vec<_> = statuses.iter().map(|status| status.leader_id).collect();
            leaders.dedup();
            let counted = statuses.iter().all(|status| {
                let voting = status.members.iter().filter(|member| member.voter);
                voting.count() == voters
            });
            let led = statuses.iter().any(|status| status.role == Role::Leader);
            if counted && led && matches!(leaders.as_slice(), [Some(_)]) {
                Ok(())
            } else {
                Err(statuses)
            }
        })
        .await;
    }

    /// Position of the leader.
    pub(super) async fn leader(&self) -> usize {
        until("a leader", || async {
            let leads = |node: &TestNode| {
                let handle = node.handle.as_ref();
                handle.is_some_and(|handle| handle.status().role == Role::Leader)
            };
            self.nodes.iter().position(leads).ok_or("nobody leads")
        })
        .await
    }

    /// Waits until all running nodes have applied the same entry, and compares them byte for byte.
    pub(super) async fn same_state(&self) -> String {
        until("the same state on all nodes", || async {
            let applied: Vec<_> = self.running().map(Handle::applied).collect();
            let first = applied[0].0;
            if applied.iter().any(|(index, _)| *index != first) {
                return Err(applied.iter().map(|(index, _)| *index).collect::<Vec<_>>());
            }
            let hashes: Vec<_> = applied
                .iter()
                .map(|(_, state)| weir_store::state_hash(state))
                .collect();
            assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
            Ok(hashes[0].clone())
        })
        .await
    }
}

/// Writes that must succeed; tried again while nobody can say whether they did.
pub(super) async fn write(handle: &Handle, command: Command) -> Outcome {
    until("a write", || async {
        handle
            .write(command.clone())
            .await
            .map_err(|error| error.to_string())
    })
    .await
}
