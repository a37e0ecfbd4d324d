//! Entries and records as they lie on disk: JSON beside a checksum.

use std::io;

use openraft::entry::RaftEntry;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::Entry;

/// One row of the table `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) index: i64,
    pub(super) term: i64,
    pub(super) payload: Vec<u8>,
    pub(super) crc: i64,
}

impl Row {
    pub(super) fn encode(entry: &Entry) -> io::Result<Self> {
        let id = entry.log_id();
        let payload = serde_json::to_vec(entry).map_err(io::Error::other)?;
        let index = id.index().cast_signed();
        let term = id.committed_leader_id().term.cast_signed();
        let crc = checksum(index, term, &payload);
        Ok(Self {
            index,
            term,
            payload,
            crc,
        })
    }

    /// The entry, when not one bit of the row has changed.
    pub(super) fn decode(&self) -> io::Result<Entry> {
        self.verify()?;
        let entry: Entry = serde_json::from_slice(&self.payload).map_err(|error| {
            damaged(format!("log entry {} cannot be read: {error}", self.index))
        })?;
        if entry.log_id().index() != self.index.cast_unsigned() {
            return Err(damaged(format!(
                "log entry {} says that it is {}",
                self.index,
                entry.log_id().index()
            )));
        }
        Ok(entry)
    }

    pub(super) fn verify(&self) -> io::Result<()> {
        let expected = checksum(self.index, self.term, &self.payload);
        if expected == self.crc {
            return Ok(());
        }
        Err(damaged(format!(
            "log entry {} is damaged: its checksum is {expected}, stored is {}",
            self.index, self.crc
        )))
    }
}

fn checksum(index: i64, term: i64, payload: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&index.to_be_bytes());
    hasher.update(&term.to_be_bytes());
    hasher.update(payload);
    i64::from(hasher.finalize())
}

/// A record of the table `record` and its checksum.
pub(super) fn encode_record<T: Serialize>(name: &str, value: &T) -> io::Result<(Vec<u8>, i64)> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
    let crc = record_checksum(name, &bytes);
    Ok((bytes, crc))
}

pub(super) fn decode_record<T: DeserializeOwned>(
    name: &str,
    bytes: &[u8],
    crc: i64,
) -> io::Result<T> {
    if record_checksum(name, bytes) != crc {
        return Err(damaged(format!("record {name} is damaged: wrong checksum")));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| damaged(format!("record {name} cannot be read: {error}")))
}

fn record_checksum(name: &str, bytes: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(bytes);
    i64::from(hasher.finalize())
}

pub(super) fn damaged(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
