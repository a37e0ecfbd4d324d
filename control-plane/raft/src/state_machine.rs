//! The shell around [`weir_store`]: applies committed entries to the state in memory, publishes it,
//! and keeps snapshots on disk.
//!
//! The state itself is not stored at each entry: a start loads the newest snapshot and applies the
//! log behind it, up to the committed mark. One source of truth less that could disagree.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::watch;
use weir_store::State;

use crate::metrics::Metrics;
use crate::snapshot_file::SnapshotDirectory;
use crate::types::{LogId, Snapshot, SnapshotData, SnapshotMeta, StoredMembership, TypeConfig};

/// The state and the entry after which it holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applied {
    pub(crate) index: u64,
    pub(crate) state: Arc<State>,
}

/// Who sees the state.
#[derive(Clone)]
pub(crate) struct Publisher {
    /// State with its applied index.
    pub(crate) applied: watch::Sender<Applied>,
    /// The state alone; not touched by entries that leave it as it is.
    pub(crate) state: watch::Sender<Arc<State>>,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        Self {
            applied: watch::Sender::new(Applied::default()),
            state: watch::Sender::new(Arc::default()),
        }
    }

    fn publish(&self, index: u64, state: &State) {
        let before = Arc::clone(&self.state.borrow());
        let same = before.set.revision == state.set.revision
            && Arc::ptr_eq(&before.tickets, &state.tickets);
        let state = if same && index > 0 {
            // Entries that change nothing do not wake who waits for changes.
            before
        } else {
            let state = Arc::new(state.clone());
            self.state.send_replace(Arc::clone(&state));
            state
        };
        self.applied.send_replace(Applied { index, state });
    }
}

/// Openraft's view of the state.
pub(crate) struct StateMachine {
    state: State,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    publisher: Publisher,
    directory: SnapshotDirectory,
    metrics: Arc<Metrics>,
}

impl StateMachine {
    pub(crate) fn new(
        directory: SnapshotDirectory,
        publisher: Publisher,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            state: State::default(),
            last_applied: None,
            membership: StoredMembership::default(),
            publisher,
            directory,
            metrics,
        }
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut answers = Vec::new();
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let id = entry.log_id();
            let outcome = match entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(id), membership);
                    None
                }
                EntryPayload::Normal(request) => {
                    Some(weir_store::apply(&mut self.state, id.index(), request.0))
                }
            };
            self.last_applied = Some(id);
            if let Some(responder) = responder {
                answers.push((responder, outcome));
            }
        }
        let index = self.last_applied.as_ref().map_or(0, |id| id.index());
        // Before the answers: who was answered finds its write here.
        self.publisher.publish(index, &self.state);
        for (responder, outcome) in answers {
            responder.send(outcome);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        Builder {
            state: self.state.clone(),
            meta: SnapshotMeta {
                last_log_id: self.last_applied,
                last_membership: self.membership.clone(),
            },
            directory: self.directory.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let directory = self.directory.clone();
        let owned = meta.clone();
        let state = blocking(move || {
            let state = weir_store::decode(&snapshot)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let known = directory.newest()?;
            // At a start it is the one that lies there already.
            if known.is_none_or(|known| known.meta != owned) {
                directory.save_patiently(&owned, &snapshot)?;
            }
            Ok(state)
        })
        .await?;
        self.state = state;
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.metrics.snapshot_installed();
        let index = self.last_applied.as_ref().map_or(0, |id| id.index());
        self.publisher.publish(index, &self.state);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let directory = self.directory.clone();
        blocking(move || directory.newest()).await
    }
}

/// Writes a snapshot of the state as it was when the builder was made.
pub(crate) struct Builder {
    state: State,
    meta: SnapshotMeta,
    directory: SnapshotDirectory,
    metrics: Arc<Metrics>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let state = self.state.clone();
        let meta = self.meta.clone();
        let directory = self.directory.clone();
        let snapshot = blocking(move || {
            let data = weir_store::encode(&state);
            directory.save_patiently(&meta, &data)?;
            Ok(Snapshot {
                meta,
                snapshot: Arc::new(data),
            })
        })
        .await?;
        self.metrics.snapshot_built();
        Ok(snapshot)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
