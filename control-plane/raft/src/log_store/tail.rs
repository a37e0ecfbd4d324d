//! The end of the log in memory: what is not on the disk yet, and what was written lately.

use std::collections::VecDeque;
use std::sync::Arc;

use openraft::entry::RaftEntry;

use crate::types::{Entry, LogId, Vote};

/// Flushed entries that are kept at most.
const KEEP_ENTRIES: usize = 1_024;
/// Bytes of flushed entries that are kept at most.
const KEEP_BYTES: usize = 16 << 20;

struct Cached {
    entry: Arc<Entry>,
    /// Size on disk; 0 until it is there.
    bytes: usize,
}

/// What is known of the log without asking the disk.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// Raised by each truncation: what was read before may be another history.
    pub(super) truncations: u64,
    /// Index of the first entry of the log, when it holds any.
    first: u64,
    /// Index of the first entry of `entries`.
    start: u64,
    entries: VecDeque<Cached>,
    flushed_bytes: usize,
    /// The entries before this index are on the disk.
    flushed: u64,
}

impl Tail {
    pub(super) fn new(
        purged: Option<LogId>,
        first: u64,
        last: Option<LogId>,
        vote: Option<Vote>,
        committed: Option<LogId>,
    ) -> Self {
        let end = last.as_ref().map_or(0, |id| id.index() + 1);
        Self {
            purged,
            last,
            vote,
            committed,
            first,
            start: end,
            flushed: end,
            ..Self::default()
        }
    }

    /// Index of the first entry that the log holds.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Index after the last entry.
    pub(super) fn end(&self) -> u64 {
        self.last
            .as_ref()
            .map_or(0, |id| id.index() + 1)
            .max(self.first())
    }

    /// Index of the first entry in memory; earlier ones are on the disk.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The entries in memory from index `first` on, before `end`.
    pub(super) fn range(&self, first: u64, end: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let skip = first.saturating_sub(self.start);
        let take = end.saturating_sub(first.max(self.start));
        self.entries
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(usize::try_from(take).unwrap_or(usize::MAX))
            .map(|cached| &cached.entry)
    }

    pub(super) fn append(&mut self, entry: Arc<Entry>) {
        let id = entry.log_id();
        // A log that starts anew, behind a snapshot.
        if self.entries.is_empty() {
            self.start = id.index();
        }
        if self.last == self.purged {
            self.first = id.index();
        }
        self.last = Some(id);
        self.entries.push_back(Cached { entry, bytes: 0 });
    }

    /// Forgets the entries from `index` on; `last` is the one before it.
    pub(super) fn truncate(&mut self, index: u64, last: Option<LogId>) {
        while self.start + self.entries.len() as u64 > index {
            match self.entries.pop_back() {
                Some(cached) => self.flushed_bytes -= cached.bytes,
                None => {
                    self.start = index;
                    break;
                }
            }
        }
        self.flushed = self.flushed.min(index);
        self.last = last;
        self.truncations += 1;
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        let next = upto.index() + 1;
        while self.start < next {
            match self.entries.pop_front() {
                Some(cached) => {
                    self.flushed_bytes -= cached.bytes;
                    self.start += 1;
                }
                None => self.start = next,
            }
        }
        self.flushed = self.flushed.max(next);
        self.first = self.first.max(next);
        if self.last < Some(upto) {
            self.last = Some(upto);
        }
        self.purged = Some(upto);
    }

    /// Entry `index`, appended after so many truncations, lies on the disk, in so many bytes. Later
    /// ones may still be on their way.
    pub(super) fn flushed(&mut self, truncations: u64, index: u64, bytes: usize) {
        if truncations != self.truncations {
            // It may be gone again, and another entry of its index be on its way.
            return;
        }
        if let Some(cached) = index
            .checked_sub(self.start)
            .and_then(|offset| self.entries.get_mut(usize::try_from(offset).ok()?))
        {
            self.flushed_bytes += bytes - cached.bytes.min(bytes);
            cached.bytes = cached.bytes.max(bytes);
        }
        self.flushed = self.flushed.max((index + 1).min(self.end()));
    }

    /// Drops what is on the disk and beyond the bounds.
    pub(super) fn evict(&mut self) {
        while self.start < self.flushed
            && (self.entries.len() > KEEP_ENTRIES || self.flushed_bytes > KEEP_BYTES)
        {
            let Some(cached) = self.entries.pop_front() else {
                break;
            };
            self.flushed_bytes -= cached.bytes;
            self.start += 1;
        }
    }
}
