//! The log store against openraft's suite, crashes and flipped bytes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::StorageError;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use weir_store::Command;

use super::{FILE, LogStore, Opened, lock};
use crate::metrics::Metrics;
use crate::snapshot_file::SnapshotDirectory;
use crate::state_machine::{Publisher, StateMachine};
use crate::types::{Entry, LogId, PeerId, Request, TypeConfig};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await.store;
        let snapshots = SnapshotDirectory::open(dir.path()).unwrap();
        let machine = StateMachine::new(snapshots, Publisher::new(), Arc::default());
        Ok((dir, store, machine))
    }
}

#[tokio::test]
async fn openraft_suite_passes() {
    Box::pin(Suite::test_all(Builder)).await.unwrap();
}

async fn open(dir: &Path) -> Opened {
    try_open(dir).await.unwrap()
}

async fn try_open(dir: &Path) -> io::Result<Opened> {
    LogStore::open(dir, Arc::new(Metrics::default())).await
}

fn id(index: u64) -> LogId {
    let leader = openraft::impls::leader_id_std::LeaderId {
        term: 1,
        voted_for: PeerId::from(1),
    };
    LogId::new(openraft::vote::RaftLeaderId::to_committed(&leader), index)
}

fn entry(index: u64) -> Entry {
    let payload = Request(Command::Expire { at_ms: index });
    Entry::new(id(index), openraft::EntryPayload::Normal(payload))
}

/// Appends and waits for the acknowledgement.
async fn append(store: &mut LogStore, indexes: std::ops::Range<u64>) {
    let (flushed, done) = TypeConfig::oneshot();
    store
        .append(indexes.map(entry), IOFlushed::signal(flushed))
        .await
        .unwrap();
    done.await.unwrap().unwrap();
}

async fn indexes(store: &mut LogStore) -> Vec<u64> {
    let entries = store.try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| entry.log_id().index()).collect()
}

#[tokio::test]
async fn acknowledged_entries_survive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..10_u64 {
        let mut store = open(dir.path()).await.store;
        assert_eq!(
            indexes(&mut store).await,
            (0..round * 5).collect::<Vec<_>>()
        );
        append(&mut store, round * 5..round * 5 + 5).await;
        // The writer dies where it stands, as the process would.
        let writer = lock(&store.shared.writer).take().unwrap();
        writer.abort();
        assert!(writer.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn unflushed_entries_are_readable_and_a_clean_end_writes_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).await.store;
    store
        .append((0..3).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    assert_eq!(indexes(&mut store).await, [0, 1, 2]);
    store.close().await;
    assert_eq!(indexes(&mut open(dir.path()).await.store).await, [0, 1, 2]);
}

#[tokio::test]
async fn entries_beyond_the_cache_come_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).await.store;
    append(&mut store, 0..3_000).await;
    assert!(store.tail().start() > 1_000);
    assert_eq!(indexes(&mut store).await, (0..3_000).collect::<Vec<_>>());
    let part = store.try_get_log_entries(1_970..1_980).await.unwrap();
    assert_eq!(part, (1_970..1_980).map(entry).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_replaced_end_is_the_new_one_in_memory_and_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).await.store;
    append(&mut store, 0..2_000).await;
    store.truncate_after(Some(id(499))).await.unwrap();
    assert_eq!(indexes(&mut store).await, (0..500).collect::<Vec<_>>());
    append(&mut store, 500..510).await;
    store.purge(id(99)).await.unwrap();
    let expected: Vec<u64> = (100..510).collect();
    assert_eq!(indexes(&mut store).await, expected);
    store.close().await;
    let mut store = open(dir.path()).await.store;
    assert_eq!(indexes(&mut store).await, expected);
    assert_eq!(
        store.get_log_state().await.unwrap().last_purged_log_id,
        Some(id(99))
    );
}

#[tokio::test]
async fn the_committed_mark_is_written_soon_also_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).await.store;
    append(&mut store, 0..5).await;
    store.save_committed(Some(id(3))).await.unwrap();
    store.close().await;
    let mut store = open(dir.path()).await.store;
    assert_eq!(store.read_committed().await.unwrap(), Some(id(3)));
}

#[tokio::test]
async fn a_request_holds_as_many_entries_as_fit() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).await.store;
    let large = |index| {
        let change = weir_store::Change {
            target: weir_store::Target::New(weir_model::Kind::Route),
            operation: weir_store::Operation::Put {
                spec: Arc::new(serde_json::json!({"desc": "x".repeat(1 << 20)})),
                expires_at_ms: None,
            },
            precondition: weir_store::Precondition::None,
        };
        let command = Command::Write {
            changes: vec![change],
            at_ms: 0,
            author: String::new(),
            message: String::new(),
        };
        Entry::new(id(index), openraft::EntryPayload::Normal(Request(command)))
    };
    store
        .append((0..10).map(large), IOFlushed::noop())
        .await
        .unwrap();
    let fitting = store.limited_get_log_entries(0, 10).await.unwrap();
    assert_eq!(fitting.len(), 2);
}

/// Flips one bit in a column of one row, as a bad disk would.
async fn damage(dir: &Path, statement: &'static str) {
    let path = dir.join(FILE);
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let done = sqlx::query(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn damaged_entries_and_records_are_named_at_start() {
    let cases = [
        (
            "UPDATE log SET payload = replace(payload, '\"at_ms\":3', '\"at_ms\":7') WHERE idx = 3",
            "log entry 3 is damaged",
        ),
        (
            "UPDATE log SET term = 2 WHERE idx = 3",
            "log entry 3 is damaged",
        ),
        (
            "UPDATE log SET crc = crc + 1 WHERE idx = 4",
            "log entry 4 is damaged",
        ),
        ("DELETE FROM log WHERE idx = 2", "the log has a hole"),
        ("UPDATE log SET idx = 9 WHERE idx = 4", "the log has a hole"),
        (
            "UPDATE record SET value = replace(value, '1.0', '2.0') WHERE name = 'vote'",
            "record vote is damaged",
        ),
    ];
    for (statement, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path()).await.store;
        append(&mut store, 0..5).await;
        let vote = openraft::Vote::new(1, PeerId::from(1));
        store.save_vote(&vote).await.unwrap();
        store.close().await;
        damage(dir.path(), statement).await;
        let error = try_open(dir.path())
            .await
            .err()
            .map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains(expected)),
            "{statement}: {error:?}"
        );
    }
}

#[tokio::test]
async fn damage_behind_the_cache_is_found_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).await.store;
    append(&mut store, 0..3_000).await;
    damage(dir.path(), "UPDATE log SET payload = x'00' WHERE idx = 7").await;
    let error = store.try_get_log_entries(0..10).await.unwrap_err();
    assert!(
        error.to_string().contains("log entry 7 is damaged"),
        "{error}"
    );
    assert!(store.try_get_log_entries(8..10).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_appends_share_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::default());
    let mut store = LogStore::open(dir.path(), Arc::clone(&metrics))
        .await
        .unwrap()
        .store;
    let mut acknowledged = Vec::new();
    for index in 0..500 {
        let (flushed, done) = TypeConfig::oneshot();
        store
            .append([entry(index)], IOFlushed::signal(flushed))
            .await
            .unwrap();
        acknowledged.push(done);
    }
    for done in acknowledged {
        tokio::time::timeout(Duration::from_secs(30), done)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
    let commits: u64 = metrics.snapshot().flush.buckets.iter().sum();
    assert!(commits < 250, "{commits} commits of 500 appends");
}

/// What openraft may ask of a log.
#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Truncate(u64),
    Purge(u64),
    /// Waits for the disk, so that the cache may let go.
    Flush,
    Reopen,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    prop_oneof![
        4 => (1..800_u64).prop_map(Step::Append),
        1 => (0..900_u64).prop_map(Step::Truncate),
        1 => (0..900_u64).prop_map(Step::Purge),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, ..Default::default() })]

    #[test]
    fn the_log_is_what_was_appended_less_what_was_cut(
        steps in proptest::collection::vec(step(), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut store = open(dir.path()).await.store;
            // First and end index of what should be there.
            let (mut first, mut end) = (0, 0);
            for step in steps {
                match step {
                    Step::Append(count) => {
                        let entries = (end..end + count).map(entry);
                        store.append(entries, IOFlushed::noop()).await.unwrap();
                        end += count;
                    }
                    Step::Truncate(back) => {
                        end = end.saturating_sub(back).max(first);
                        let last = end.checked_sub(1).map(id);
                        store.truncate_after(last).await.unwrap();
                    }
                    Step::Purge(count) if first < end => {
                        let upto = (first + count).min(end - 1);
                        store.purge(id(upto)).await.unwrap();
                        first = upto + 1;
                    }
                    Step::Purge(_) => {}
                    Step::Flush => {
                        let vote = openraft::Vote::new(1, PeerId::from(1));
                        store.save_vote(&vote).await.unwrap();
                    }
                    Step::Reopen => {
                        store.close().await;
                        store = open(dir.path()).await.store;
                    }
                }
                assert_eq!(indexes(&mut store).await, (first..end).collect::<Vec<_>>());
                let last = store.get_log_state().await.unwrap().last_log_id;
                assert_eq!(last, end.checked_sub(1).map(id));
            }
        });
    }
}
