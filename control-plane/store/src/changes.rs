//! The bounded history of changes: what deltas and watches are computed from.

use imbl::Vector;
use serde::{Deserialize, Serialize};
use weir_model::{Key, Revision};

use crate::state::State;

/// Records that are kept at most.
const MAX_RECORDS: usize = 10_000;
/// Keys that all records together name at most: bounds the memory of huge change sets.
const MAX_KEYS: usize = 200_000;

/// One committed change set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// The revision that it made.
    pub revision: Revision,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// Who wrote.
    pub author: String,
    /// Why.
    pub message: String,
    /// Resources added or changed, ordered.
    pub upserts: Vec<Key>,
    /// Resources removed, ordered.
    pub removals: Vec<Key>,
}

impl ChangeRecord {
    fn keys(&self) -> usize {
        self.upserts.len() + self.removals.len()
    }
}

/// The last changes, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeLog {
    /// The records; revisions grow.
    pub records: Vector<ChangeRecord>,
    /// Every change after this revision is in `records`: deltas from an older one must be full.
    pub floor: Revision,
    /// Keys in all records.
    keys: usize,
}

impl ChangeLog {
    pub(crate) fn restore(records: Vec<ChangeRecord>, floor: Revision) -> Self {
        let keys = records.iter().map(ChangeRecord::keys).sum();
        Self {
            records: records.into(),
            floor,
            keys,
        }
    }

    /// Appends a record and forgets the oldest ones beyond the bounds.
    pub(crate) fn push(&mut self, record: ChangeRecord) {
        self.push_within(record, MAX_RECORDS, MAX_KEYS);
    }

    pub(crate) fn push_within(
        &mut self,
        record: ChangeRecord,
        max_records: usize,
        max_keys: usize,
    ) {
        self.keys += record.keys();
        self.records.push_back(record);
        while self.records.len() > max_records || self.keys > max_keys {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.keys -= oldest.keys();
            self.floor = oldest.revision;
        }
    }

    /// The records after revision `from`, newest first; `None` when some are forgotten. Costs as
    /// much as there are such records.
    pub(crate) fn newest_after(
        &self,
        from: Revision,
    ) -> Option<impl Iterator<Item = &ChangeRecord>> {
        (from >= self.floor).then(|| {
            self.records
                .iter()
                .rev()
                .take_while(move |record| record.revision > from)
        })
    }
}

/// The change sets after revision `from`, oldest first; `None` when the change log does not reach
/// back that far, or when `from` is newer than the state: the caller then starts from the whole set.
#[must_use]
pub fn changes_since(state: &State, from: Revision) -> Option<Vec<ChangeRecord>> {
    if from > state.set.revision {
        return None;
    }
    let mut records: Vec<ChangeRecord> = state.changes.newest_after(from)?.cloned().collect();
    records.reverse();
    Some(records)
}
