//! The log of Raft in SQLite: what was acknowledged survives a crash.
//!
//! `append` puts entries into the [`tail`] and returns; the [`writer`] commits them and calls back.
//! RaftCore therefore never waits for an fsync while it should send heartbeats.

mod database;
mod row;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::tail::Tail;
use self::writer::Order;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// File name inside the data directory.
const FILE: &str = "raft.db";
/// Entries of one request to a follower; large ones make it shorter.
const REQUEST_BYTES: usize = 2 << 20;

/// The log; clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

struct Shared {
    tail: Arc<Mutex<Tail>>,
    readers: SqlitePool,
    /// Taken away by [`LogStore::close`].
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What `raft.db` said when it was opened.
pub(crate) struct Opened {
    pub(crate) store: LogStore,
    /// Who this data directory is; `None` for a new one.
    pub(crate) identity: Option<Identity>,
}

impl LogStore {
    /// Opens `raft.db` in `directory` and checks every entry.
    ///
    /// # Errors
    /// When the file cannot be opened, or an entry or record is missing or damaged.
    pub(crate) async fn open(directory: &Path, metrics: Arc<Metrics>) -> io::Result<Opened> {
        let path = directory.join(FILE);
        let mut connection = database::open(&path).await?;
        let purged: Option<LogId> = database::record(&mut connection, database::PURGED).await?;
        let vote = database::record(&mut connection, database::VOTE).await?;
        let committed: Option<Option<LogId>> =
            database::record(&mut connection, database::COMMITTED).await?;
        let identity = database::record(&mut connection, database::IDENTITY).await?;

        let mut first = purged.as_ref().map_or(0, |id| id.index() + 1);
        let mut last = purged;
        if let Some((lowest, highest)) = database::bounds(&mut connection).await? {
            let end = highest + 1;
            if purged.is_none() {
                first = lowest;
            }
            let rows = database::rows(&mut connection, first, end).await?;
            database::consecutive(&rows, first, end)?;
            for row in &rows {
                row.verify()?;
            }
            if let Some(row) = rows.last() {
                last = Some(openraft::entry::RaftEntry::log_id(&row.decode()?));
            }
        }

        let tail = Arc::new(Mutex::new(Tail::new(
            purged,
            first,
            last,
            vote,
            committed.flatten(),
        )));
        let (orders, writer) = writer::spawn(connection, Arc::clone(&tail), metrics);
        let shared = Shared {
            tail,
            readers: database::readers(&path),
            orders: Mutex::new(Some(orders)),
            writer: Mutex::new(Some(writer)),
        };
        Ok(Opened {
            store: Self {
                shared: Arc::new(shared),
            },
            identity,
        })
    }

    /// Remembers who this data directory is.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) async fn save_identity(&self, identity: Identity) -> io::Result<()> {
        self.ordered(|done| Order::Identity(Box::new(identity), done))
            .await
    }

    /// Writes what is queued and closes the file. Later orders fail.
    pub(crate) async fn close(&self) {
        let orders = lock(&self.shared.orders).take();
        drop(orders);
        let writer = lock(&self.shared.writer).take();
        if let Some(writer) = writer
            && writer.await.is_err()
        {
            tracing::error!("the writer of raft.db panicked");
        }
        self.shared.readers.close().await;
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        lock(&self.shared.tail)
    }

    async fn order(&self, order: Order) -> io::Result<()> {
        let orders = lock(&self.shared.orders).clone();
        let orders = orders.ok_or_else(closed)?;
        orders.send(order).await.map_err(|_| closed())
    }

    /// Sends an order and waits until it is on the disk.
    async fn ordered(
        &self,
        order: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Order,
    ) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.order(order(done)).await?;
        written.await.map_err(|_| closed())?
    }

    /// The entries `first..end` that the log holds.
    async fn entries(&self, first: u64, end: u64) -> io::Result<Vec<Entry>> {
        loop {
            let (first, start, truncations, cached) = {
                let tail = self.tail();
                let first = first.max(tail.first());
                let end = end.min(tail.end());
                if first >= end {
                    return Ok(Vec::new());
                }
                let cached: Vec<Arc<Entry>> = tail.range(first, end).cloned().collect();
                (first, tail.start().min(end), tail.truncations, cached)
            };
            let mut entries = Vec::new();
            if first < start {
                let rows = database::rows(&self.shared.readers, first, start).await?;
                let (truncated, purged) = {
                    let tail = self.tail();
                    (tail.truncations != truncations, tail.first() > first)
                };
                // The log changed in between: what was read may be two histories.
                if truncated || purged {
                    continue;
                }
                database::consecutive(&rows, first, start)?;
                entries = rows
                    .iter()
                    .map(row::Row::decode)
                    .collect::<io::Result<_>>()?;
            }
            entries.extend(cached.iter().map(|entry| Entry::clone(entry)));
            return Ok(entries);
        }
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.entries(first, end).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.tail().vote)
    }

    /// As many entries as fit one request, at least one.
    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let mut entries = self.entries(start, end).await?;
        let mut bytes = 0;
        let fitting = entries
            .iter()
            .take_while(|entry| {
                let fits = bytes < REQUEST_BYTES;
                bytes += size_hint(entry);
                fits
            })
            .count();
        entries.truncate(fitting);
        Ok(entries)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let tail = self.tail();
        Ok(LogState {
            last_purged_log_id: tail.purged,
            last_log_id: tail.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.ordered(|done| Order::Vote(*vote, done)).await?;
        self.tail().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.tail().committed = committed;
        self.order(Order::Committed(committed)).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.tail().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<Arc<Entry>> = entries.into_iter().map(Arc::new).collect();
        let truncations = {
            let mut tail = self.tail();
            for entry in &entries {
                tail.append(Arc::clone(entry));
            }
            tail.truncations
        };
        self.order(Order::Append {
            entries,
            truncations,
            flushed: callback,
        })
        .await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let index = last_log_id.as_ref().map_or(0, |id| id.index() + 1);
        {
            let mut tail = self.tail();
            if index >= tail.end() {
                return Ok(());
            }
            tail.truncate(index, last_log_id);
        }
        self.order(Order::Truncate(index)).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.tail().purge(log_id);
        self.order(Order::Purge(log_id)).await
    }
}

/// Rough size of an entry on the wire: exact for what can be large.
fn size_hint(entry: &Entry) -> usize {
    const BASE: usize = 256;
    let openraft::EntryPayload::Normal(request) = &entry.payload else {
        return BASE;
    };
    let weir_store::Command::Write { changes, .. } = &request.0 else {
        return BASE;
    };
    changes
        .iter()
        .map(|change| match &change.operation {
            weir_store::Operation::Put { spec, .. } => BASE + text_size(spec),
            weir_store::Operation::Delete { .. } => BASE,
        })
        .sum()
}

fn text_size(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 4,
        Value::Array(items) => items.iter().map(text_size).sum::<usize>() + 4,
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(key, value)| key.len() + 4 + text_size(value))
                .sum::<usize>()
                + 4
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "raft.db is closed")
}
