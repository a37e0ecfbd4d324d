//! What the rest of Weir sees of consensus.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use weir_store::{Command, Outcome, State};

use crate::error::{MembershipError, ReadError, WriteError};
use crate::membership::Change;
use crate::metrics::MetricsSnapshot;
use crate::node::Node;
use crate::options::{Options, Timing};
use crate::start;
use crate::status::{Member, Status};

/// Access to consensus. Cheap to clone. [`Handle::shutdown`] ends the node; dropping does not.
#[derive(Clone)]
pub struct Handle {
    node: Arc<Node>,
    /// Taken by the first shutdown.
    owned: Arc<Mutex<Option<Owned>>>,
}

struct Owned {
    tasks: JoinSet<()>,
    lock: File,
}

impl Handle {
    /// Starts the node and returns when it can serve reads of what it has. Listens for members.
    /// A node that joins, or waits to be added, returns when it has its place. When the future is
    /// dropped, the node may have joined all the same, and starts where it was.
    ///
    /// # Errors
    /// When storage or the listener cannot be opened, when an entry or a snapshot is damaged, when
    /// the start does not fit the directory, or when the cluster refuses the node.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        Self::start_with(options, Timing::default()).await
    }

    /// [`Self::start`] with other times than the default ones.
    ///
    /// # Errors
    /// As [`Self::start`], and when the times do not make sense together.
    pub async fn start_with(options: Options, timing: Timing) -> anyhow::Result<Self> {
        let started = Box::pin(start::start(options, timing)).await?;
        Ok(Self {
            node: started.node,
            owned: Arc::new(Mutex::new(Some(Owned {
                tasks: started.tasks,
                lock: started.lock,
            }))),
        })
    }

    /// Commits a command on a majority and returns what it did. On a follower it is forwarded.
    /// Retries until the deadline while there is no leader. Dropping the future does not undo a
    /// proposal that was made.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(&self, command: Command) -> Result<Outcome, WriteError> {
        Box::pin(self.node.write(command)).await
    }

    /// The state, at least as new as every write acknowledged before the call (ReadIndex).
    ///
    /// # Errors
    /// When no leader confirms it before the deadline.
    pub async fn read(&self) -> Result<Arc<State>, ReadError> {
        self.node.read().await
    }

    /// What this node has, without asking anybody.
    #[must_use]
    pub fn stale(&self) -> Arc<State> {
        self.node.state()
    }

    /// What this node has, with the index of the last entry that is in it. The index also moves by
    /// entries that leave the state as it is.
    #[must_use]
    pub fn applied(&self) -> (u64, Arc<State>) {
        let applied = self.node.publisher.applied.borrow();
        (applied.index, Arc::clone(&applied.state))
    }

    /// Follows the applied state: the newest one, not every one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.node.publisher.state.subscribe()
    }

    /// What this node knows. This node is always among the members.
    #[must_use]
    pub fn status(&self) -> Status {
        self.node.status()
    }

    /// Counters of this node.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.node.metrics.snapshot()
    }

    /// Adds a node as a learner and returns when it has nearly caught up. The node must run and
    /// wait for that ([`crate::Start::Resume`] on an empty directory), or be a member already.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn add_learner(&self, member: Member) -> Result<(), MembershipError> {
        self.change(Change::AddLearner(member)).await.map(drop)
    }

    /// Makes a learner a voter.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn promote(&self, node_id: u64) -> Result<(), MembershipError> {
        self.change(Change::Promote(node_id)).await.map(drop)
    }

    /// Removes a node. Without `force` it is refused when the rest would have no quorum of
    /// reachable voters. A leader hands leadership over first.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn remove(&self, node_id: u64, force: bool) -> Result<(), MembershipError> {
        let change = Change::Remove { node_id, force };
        self.change(change).await.map(drop)
    }

    /// Hands leadership to `to`, or to the voter that is furthest ahead; returns the new leader.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn transfer_leader(&self, to: Option<u64>) -> Result<u64, MembershipError> {
        self.change(Change::Transfer { to }).await
    }

    /// How long this node has been without a working majority, as far as it can tell.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.node.silence()
    }

    /// Waits until this node cannot go on, and tells why: its disk has failed, or the others have
    /// removed it. It must be shut down then.
    pub async fn failed(&self) -> String {
        let mut failure = self.node.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives as long as the node.
            Err(_) => std::future::pending().await,
        }
    }

    /// What a broken disk does to the log.
    #[cfg(test)]
    pub(crate) async fn break_log(&self) {
        self.node.log_store.close().await;
    }

    async fn change(&self, change: Change) -> Result<u64, MembershipError> {
        Box::pin(self.node.change(change)).await
    }

    /// Stops consensus; everything acknowledged is on disk. Safe to call again.
    pub async fn shutdown(&self) {
        let Some(mut owned) = self.owned.lock().await.take() else {
            return;
        };
        self.node.stop.cancel();
        if self.node.raft.shutdown().await.is_err() {
            tracing::error!("openraft panicked");
        }
        while owned.tasks.join_next().await.is_some() {}
        self.node.log_store.close().await;
        drop(owned.lock);
    }
}
