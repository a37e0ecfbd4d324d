//! Starts and ends watchers as resources ask for lookups, and keeps the table on disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use weir_model::Revision;
use weir_model::endpoint::EndpointKey;
use weir_store::State;

use super::counters::Counters;
use super::demand::Demand;
use super::file::{self, Kept};
use super::sources::Sources;
use super::table::Table;
use super::watcher::Watcher;
use crate::Shared;
use crate::config::FileRegistry;

/// Writes that come together are looked at together.
const GATHER: Duration = Duration::from_millis(20);
/// Between two writes of the file, at least: what is newer is lost when the node is killed.
const WRITE_EVERY: Duration = Duration::from_millis(50);
/// Of the time, one part in so many goes into writing at most, however large the table is.
const WRITE_SHARE: u32 = 20;
/// The same when nothing has changed.
const WRITE_AT_LEAST: Duration = Duration::from_secs(60);
/// How long sets of the disk wait for a resource that asks for them: the state may have to be
/// fetched from other members first. Later they are too old to be served unasked.
const KEEP: Duration = Duration::from_secs(600);

/// What follows registries on this node.
pub(crate) struct Discovery {
    /// What is known.
    pub(crate) table: Arc<Table>,
    path: PathBuf,
    file: Vec<FileRegistry>,
    counters: Counters,
    /// Sets of the disk that nothing has asked for yet.
    kept: Mutex<Kept>,
    /// By lookup, to take what its watcher holds back.
    accepts: Mutex<BTreeMap<EndpointKey, Arc<Notify>>>,
}

/// A watcher that runs; dropping it ends it.
struct Running {
    /// Name and revision of the registry that it follows.
    source: (String, Revision),
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Discovery {
    /// Reads the table of the last run from `data_dir`.
    ///
    /// # Errors
    /// When the file exists and cannot be opened.
    pub(crate) fn open(
        data_dir: &std::path::Path,
        file: Vec<FileRegistry>,
        counters: Counters,
    ) -> std::io::Result<Self> {
        let path = data_dir.join("endpoints.table");
        Ok(Self {
            table: Arc::new(Table::new()),
            kept: Mutex::new(file::load(&path)?),
            path,
            file,
            counters,
            accepts: Mutex::default(),
        })
    }

    /// Takes what is held back for the lookups of this registry and service; says which.
    pub(crate) fn accept(&self, registry: &str, service: &str) -> Vec<EndpointKey> {
        let accepts = self.accepts.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.table.records().into_iter();
        held.filter(|(_, record)| record.held.is_some() && record.fits(registry, service))
            .filter_map(|(key, _)| {
                accepts.get(&key)?.notify_one();
                Some(key)
            })
            .collect()
    }

    /// Follows the states of this node until `stop`.
    pub(crate) async fn run(&self, raft: weir_raft::Handle, stop: CancellationToken) {
        let following = self.follow(raft);
        let keeping = self.keep();
        let both = async { tokio::join!(following, keeping) };
        stop.run_until_cancelled(both).await;
        self.save().await;
    }

    async fn follow(&self, raft: weir_raft::Handle) {
        let started = Instant::now();
        let mut states = raft.watch();
        let mut demand = Demand::default();
        let mut sources = Sources::new(&self.file);
        let mut running = BTreeMap::new();
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            if started.elapsed() > KEEP {
                self.kept().clear();
            }
            demand.update(&state);
            sources.update(&state);
            self.adjust(&state, &demand, &sources, &mut running);
            if states.changed().await.is_err() {
                return;
            }
            sleep(GATHER).await;
        }
    }

    fn adjust(
        &self,
        state: &State,
        demand: &Demand,
        sources: &Sources,
        running: &mut BTreeMap<EndpointKey, Running>,
    ) {
        let wanted = demand.wanted();
        let at = (state.cluster_id.clone(), state.set.revision);
        running.retain(|key, _| wanted.contains_key(key));
        self.table.demand(wanted, at, |key| self.kept().remove(key));
        let mut accepts = self.accepts.lock().unwrap_or_else(PoisonError::into_inner);
        accepts.retain(|key, _| wanted.contains_key(key));
        for (key, wanted) in wanted {
            let source = match sources.choose(&wanted.lookup) {
                Ok(source) => source,
                Err(failure) => {
                    // Whatever was followed is no longer meant.
                    running.remove(key);
                    self.table.begins(key, "");
                    self.table.fail(key, failure, Shared::now_ms());
                    continue;
                }
            };
            let identity = (source.name.clone(), source.revision);
            if running
                .get(key)
                .is_some_and(|running| running.source == identity)
            {
                continue;
            }
            let accept = Arc::clone(accepts.entry(key.clone()).or_default());
            let watcher = Watcher {
                key: key.clone(),
                lookup: wanted.lookup.clone(),
                source,
                table: Arc::clone(&self.table),
                counters: self.counters.clone(),
                accept,
            };
            // The one before ends first, so that it tells nothing any more.
            running.remove(key);
            let started = Running {
                source: identity,
                task: tokio::spawn(watcher.run()),
            };
            running.insert(key.clone(), started);
        }
    }

    /// Keeps the file up to date.
    async fn keep(&self) {
        loop {
            // Also when nothing changed: the age of what is known is kept too.
            tokio::select! {
                () = self.table.dirty.notified() => {}
                () = sleep(WRITE_AT_LEAST) => {}
            }
            let began = Instant::now();
            self.save().await;
            sleep(WRITE_EVERY.max(began.elapsed() * WRITE_SHARE)).await;
        }
    }

    async fn save(&self) {
        let (path, table) = (self.path.clone(), Arc::clone(&self.table));
        let saving = tokio::task::spawn_blocking(move || file::save(&path, &table.records()));
        match saving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, path = %self.path.display(), "cannot keep the endpoint table")
            }
            Err(error) => tracing::error!(%error, "keeping the endpoint table failed"),
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
