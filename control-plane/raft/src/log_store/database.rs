//! `raft.db`: its tables, how it is opened, and the statements on it.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, QueryBuilder, Row as _, Sqlite};

use super::row::{Row, damaged, decode_record, encode_record};

/// One table for entries, one for what there is one of: identity, vote, committed, purged.
const TABLES: &str = "
CREATE TABLE log (
    idx INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    payload BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE record (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    crc INTEGER NOT NULL
);
";

/// Rows of one INSERT: four bound values each, and SQLite takes 32,766.
const INSERT_ROWS: usize = 1_000;
/// Connections that read beside the writer.
const READERS: u32 = 2;

pub(super) const VOTE: &str = "vote";
pub(super) const COMMITTED: &str = "committed";
pub(super) const PURGED: &str = "purged";
pub(super) const IDENTITY: &str = "identity";

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Every commit is on the disk before it returns.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
}

/// Opens the file, brings its tables to the newest form, and returns the connection that writes.
pub(super) async fn open(path: &Path) -> io::Result<SqliteConnection> {
    let mut connection = SqliteConnection::connect_with(&options(path))
        .await
        .map_err(storage)?;
    let migrations = vec![Migration::new(
        1,
        "log and record".into(),
        MigrationType::Simple,
        sqlx::SqlStr::from_static(TABLES),
        false,
    )];
    Migrator {
        migrations: migrations.into(),
        ..Migrator::DEFAULT
    }
    // `run` would make futures that are not known to be `Send`.
    .run_direct(None, &mut connection, false)
    .await
    .map_err(io::Error::other)?;
    Ok(connection)
}

pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_lazy_with(options(path).read_only(true))
}

/// `SQLITE_FULL`, and `SQLITE_IOERR_SHMSIZE`: no room for the index of the write-ahead log.
const FULL: [&str; 2] = ["13", "4874"];

/// A storage error; "disk full" keeps its kind, since it passes.
pub(super) fn storage(error: sqlx::Error) -> io::Error {
    let full = error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| FULL.contains(&code.as_ref()));
    if full {
        io::Error::new(io::ErrorKind::StorageFull, error)
    } else {
        io::Error::other(error)
    }
}

// Transactions are plain statements: those of sqlx count their depth by themselves, and are off by
// one after SQLite has rolled back on its own, as it does when the disk is full.

/// Begins to write; nobody else may meanwhile.
pub(super) async fn begin(connection: &mut SqliteConnection) -> io::Result<()> {
    execute(connection, "BEGIN IMMEDIATE").await
}

/// When it returns, everything since [`begin`] is on the disk.
pub(super) async fn commit(connection: &mut SqliteConnection) -> io::Result<()> {
    execute(connection, "COMMIT").await
}

/// Forgets everything since [`begin`].
pub(super) async fn rollback(connection: &mut SqliteConnection) {
    // It fails when SQLite did it already; if it did not, the next `begin` says so.
    let _ = execute(connection, "ROLLBACK").await;
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> io::Result<()> {
    sqlx::query(statement)
        .execute(connection)
        .await
        .map(drop)
        .map_err(storage)
}

pub(super) async fn insert(connection: &mut SqliteConnection, rows: &[Row]) -> io::Result<()> {
    for chunk in rows.chunks(INSERT_ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO log (idx, term, payload, crc) ");
        query.push_values(chunk, |mut values, row| {
            values
                .push_bind(row.index)
                .push_bind(row.term)
                .push_bind(row.payload.clone())
                .push_bind(row.crc);
        });
        query
            .build()
            .persistent(false)
            .execute(&mut *connection)
            .await
            .map_err(storage)?;
    }
    Ok(())
}

/// Deletes the entries from `index` on.
pub(super) async fn truncate(connection: &mut SqliteConnection, index: u64) -> io::Result<()> {
    sqlx::query("DELETE FROM log WHERE idx >= ?")
        .bind(index.cast_signed())
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Deletes the entries up to and with `index`.
pub(super) async fn purge(connection: &mut SqliteConnection, index: u64) -> io::Result<()> {
    sqlx::query("DELETE FROM log WHERE idx <= ?")
        .bind(index.cast_signed())
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

pub(super) async fn set_record<T: Serialize>(
    connection: &mut SqliteConnection,
    name: &'static str,
    value: &T,
) -> io::Result<()> {
    let (bytes, crc) = encode_record(name, value)?;
    sqlx::query("INSERT OR REPLACE INTO record (name, value, crc) VALUES (?, ?, ?)")
        .bind(name)
        .bind(bytes)
        .bind(crc)
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

pub(super) async fn record<T: DeserializeOwned>(
    connection: &mut SqliteConnection,
    name: &'static str,
) -> io::Result<Option<T>> {
    let found = sqlx::query("SELECT value, crc FROM record WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    let Some(found) = found else { return Ok(None) };
    let bytes: Vec<u8> = found.try_get(0).map_err(storage)?;
    decode_record(name, &bytes, found.try_get(1).map_err(storage)?).map(Some)
}

/// The rows `first..end`, in order.
pub(super) async fn rows<'c, E>(executor: E, first: u64, end: u64) -> io::Result<Vec<Row>>
where
    E: sqlx::Executor<'c, Database = Sqlite>,
{
    let found = sqlx::query(
        "SELECT idx, term, payload, crc FROM log WHERE idx >= ? AND idx < ? ORDER BY idx",
    )
    .bind(first.cast_signed())
    .bind(end.cast_signed())
    .fetch_all(executor)
    .await
    .map_err(storage)?;
    found
        .iter()
        .map(|row| {
            Ok(Row {
                index: row.try_get(0)?,
                term: row.try_get(1)?,
                payload: row.try_get(2)?,
                crc: row.try_get(3)?,
            })
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(storage)
}

/// Index of the first and the last entry.
pub(super) async fn bounds(connection: &mut SqliteConnection) -> io::Result<Option<(u64, u64)>> {
    let row = sqlx::query("SELECT MIN(idx), MAX(idx) FROM log")
        .fetch_one(connection)
        .await
        .map_err(storage)?;
    let first: Option<i64> = row.try_get(0).map_err(storage)?;
    let last: Option<i64> = row.try_get(1).map_err(storage)?;
    Ok(first
        .zip(last)
        .map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned())))
}

/// Checks that the rows are `first..end` without a hole.
pub(super) fn consecutive(rows: &[Row], first: u64, end: u64) -> io::Result<()> {
    let expected = end.saturating_sub(first);
    let holds = rows.len() as u64 == expected
        && rows
            .iter()
            .zip(first..)
            .all(|(row, index)| row.index.cast_unsigned() == index);
    if holds {
        return Ok(());
    }
    Err(damaged(format!(
        "the log has a hole: expected entries {first}..{end}, found {} of {expected}",
        rows.len()
    )))
}
