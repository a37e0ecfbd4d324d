//! The one task that writes `raft.db`. It folds everything that is queued into one transaction, so
//! that many proposals share one fsync, and reports after the commit: what was acknowledged is on
//! the disk.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::database;
use super::row::Row;
use super::tail::Tail;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// Orders that wait at most; then `append` waits too, which slows proposals down to the disk.
const QUEUE: usize = 4_096;
/// Orders of one transaction.
const BATCH: usize = 1_024;
/// The committed mark travels with the next write; alone it is written after this time.
const IDLE: Duration = Duration::from_secs(1);
/// How often a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_millis(500);

/// What to write. Orders are carried out as they came.
pub(super) enum Order {
    Append {
        entries: Vec<Arc<Entry>>,
        /// Truncations of the tail when they were appended.
        truncations: u64,
        flushed: IOFlushed<TypeConfig>,
    },
    /// Deletes the entries from this index on.
    Truncate(u64),
    Purge(LogId),
    Vote(Vote, oneshot::Sender<io::Result<()>>),
    Committed(Option<LogId>),
    Identity(Box<Identity>, oneshot::Sender<io::Result<()>>),
}

/// Starts the task. It ends when all senders are gone, with everything written.
pub(super) fn spawn(
    connection: SqliteConnection,
    tail: Arc<Mutex<Tail>>,
    metrics: Arc<Metrics>,
) -> (mpsc::Sender<Order>, tokio::task::JoinHandle<()>) {
    let (orders, queue) = mpsc::channel(QUEUE);
    let writer = Writer {
        connection,
        tail,
        metrics,
        committed: None,
    };
    (orders, tokio::spawn(writer.run(queue)))
}

struct Writer {
    connection: SqliteConnection,
    tail: Arc<Mutex<Tail>>,
    metrics: Arc<Metrics>,
    /// Newest committed mark that is not on the disk.
    committed: Option<Option<LogId>>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Order>) {
        let mut batch = Vec::new();
        let mut broken: Option<String> = None;
        loop {
            let received = if self.committed.is_some() {
                tokio::time::timeout(IDLE, queue.recv_many(&mut batch, BATCH)).await
            } else {
                Ok(queue.recv_many(&mut batch, BATCH).await)
            };
            let ended = received == Ok(0);
            let only_committed = batch
                .iter()
                .all(|order| matches!(order, Order::Committed(_)));
            for order in &batch {
                if let Order::Committed(committed) = order {
                    self.committed = Some(*committed);
                }
            }
            // A committed mark alone is not worth an fsync now.
            if only_committed && received.is_ok() && !ended {
                batch.clear();
                continue;
            }
            if let Some(reason) = &broken {
                for order in batch.drain(..) {
                    report(order, Err(io::Error::other(reason.clone())));
                }
            } else if let Err(error) = self.write(&batch).await {
                // What the disk has now is not known: nothing is promised any more.
                tracing::error!(%error, "raft.db cannot be written");
                let reason = error.to_string();
                for order in batch.drain(..) {
                    report(order, Err(io::Error::other(reason.clone())));
                }
                broken = Some(reason);
            } else {
                for order in batch.drain(..) {
                    report(order, Ok(()));
                }
            }
            if ended {
                break;
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "raft.db was not closed");
        }
    }

    /// Writes a batch, again and again while the disk is full: that passes without loss.
    async fn write(&mut self, batch: &[Order]) -> io::Result<()> {
        let mut rows = Vec::with_capacity(batch.len());
        for order in batch {
            rows.push(match order {
                Order::Append { entries, .. } => entries
                    .iter()
                    .map(|entry| Row::encode(entry))
                    .collect::<io::Result<Vec<_>>>()?,
                _ => Vec::new(),
            });
        }
        loop {
            let started = Instant::now();
            match self.transaction(batch, &rows).await {
                Ok(()) => {
                    self.metrics.flushed(started.elapsed());
                    self.metrics.set_disk_full(false);
                    self.committed = None;
                    self.mark_flushed(batch, &rows);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    tracing::error!("the disk is full: writes wait until there is space");
                    self.metrics.set_disk_full(true);
                    tokio::time::sleep(FULL_RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn transaction(&mut self, batch: &[Order], rows: &[Vec<Row>]) -> io::Result<()> {
        database::begin(&mut self.connection).await?;
        let written = match self.statements(batch, rows).await {
            Ok(()) => database::commit(&mut self.connection).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            database::rollback(&mut self.connection).await;
        }
        written
    }

    async fn statements(&mut self, batch: &[Order], rows: &[Vec<Row>]) -> io::Result<()> {
        let connection = &mut self.connection;
        let mut inserts: Vec<Row> = Vec::new();
        for (order, rows) in batch.iter().zip(rows) {
            // Appends that follow each other share a statement.
            if let Order::Append { .. } = order {
                inserts.extend_from_slice(rows);
                continue;
            }
            database::insert(connection, &std::mem::take(&mut inserts)).await?;
            match order {
                Order::Truncate(index) => database::truncate(connection, *index).await?,
                Order::Purge(upto) => {
                    database::set_record(connection, database::PURGED, upto).await?;
                    database::purge(connection, upto.index()).await?;
                }
                Order::Vote(vote, _) => {
                    database::set_record(connection, database::VOTE, vote).await?;
                }
                Order::Identity(identity, _) => {
                    database::set_record(connection, database::IDENTITY, identity).await?;
                }
                Order::Append { .. } | Order::Committed(_) => {}
            }
        }
        database::insert(connection, &inserts).await?;
        if let Some(committed) = &self.committed {
            database::set_record(connection, database::COMMITTED, committed).await?;
        }
        Ok(())
    }

    fn mark_flushed(&self, batch: &[Order], rows: &[Vec<Row>]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        for (order, rows) in batch.iter().zip(rows) {
            if let Order::Append {
                entries,
                truncations,
                ..
            } = order
            {
                for (entry, row) in entries.iter().zip(rows) {
                    tail.flushed(*truncations, entry.log_id().index(), row.payload.len());
                }
            }
        }
        tail.evict();
    }
}

/// Tells who ordered; whoever does not listen any more does not need to know.
fn report(order: Order, result: io::Result<()>) {
    match order {
        Order::Append { flushed, .. } => flushed.io_completed(result),
        Order::Vote(_, done) | Order::Identity(_, done) => {
            let _ = done.send(result);
        }
        Order::Truncate(_) | Order::Purge(_) | Order::Committed(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use openraft::type_config::TypeConfigExt;
    use weir_store::Command;

    use super::*;
    use crate::types::{PeerId, Request};

    const BALLAST: usize = 1 << 20;

    async fn execute(connection: &mut SqliteConnection, statement: String) {
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::query(statement).execute(connection).await.unwrap();
    }

    /// Appends entry 1, which needs about `bytes`, without waiting for it.
    async fn append(
        orders: mpsc::Sender<Order>,
        bytes: usize,
    ) -> impl Future<Output = Result<io::Result<()>, impl Debug>> + Unpin {
        let leader = openraft::impls::leader_id_std::LeaderId {
            term: 1,
            voted_for: PeerId::from(1),
        };
        let id = LogId::new(openraft::vote::RaftLeaderId::to_committed(&leader), 1);
        let cluster_id = "x".repeat(bytes);
        let payload = Request(Command::Bootstrap { cluster_id });
        let entry = Entry::new(id, openraft::EntryPayload::Normal(payload));
        let (flushed, done) = TypeConfig::oneshot();
        let order = Order::Append {
            entries: vec![Arc::new(entry)],
            truncations: 0,
            flushed: IOFlushed::signal(flushed),
        };
        orders.send(order).await.unwrap();
        done
    }

    #[tokio::test]
    async fn a_full_disk_delays_writes_and_passes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("raft.db");
        let mut connection = database::open(&path).await.unwrap();
        execute(&mut connection, "CREATE TABLE ballast (b BLOB)".to_owned()).await;
        let fill = format!("INSERT INTO ballast VALUES (zeroblob({BALLAST}))");
        execute(&mut connection, fill).await;
        // From now on SQLite says what it says when the disk is full.
        let bound = "PRAGMA max_page_count = 1".to_owned();
        execute(&mut connection, bound).await;

        let tail = Arc::new(Mutex::new(Tail::new(None, 0, None, None, None)));
        let metrics = Arc::new(Metrics::default());
        let (orders, writer) = spawn(connection, tail, Arc::clone(&metrics));
        let mut done = append(orders.clone(), BALLAST / 2).await;
        let full = async {
            while !metrics.disk_full() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), full)
            .await
            .expect("the disk is full");
        // More than one try fails.
        let early = tokio::time::timeout(FULL_RETRY * 3, &mut done).await;
        assert!(early.is_err(), "{early:?}");

        let mut other = database::open(&path).await.unwrap();
        execute(&mut other, "DELETE FROM ballast".to_owned()).await;
        tokio::time::timeout(Duration::from_secs(30), done)
            .await
            .expect("there is space again")
            .unwrap()
            .unwrap();
        assert!(!metrics.disk_full());
        drop(orders);
        writer.await.unwrap();
    }
}
