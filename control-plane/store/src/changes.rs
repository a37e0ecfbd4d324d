//! The bounded history of changes: what deltas and watches are computed from.

use imbl::Vector;
use weir_model::{Key, Revision};

/// One committed change set.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRecord {
    /// The revision that it made.
    pub revision: Revision,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// Who wrote.
    pub author: String,
    /// Why.
    pub message: String,
    /// Resources added or changed.
    pub upserts: Vec<Key>,
    /// Resources removed.
    pub removals: Vec<Key>,
}

/// The last changes, oldest first.
#[derive(Debug, Clone, Default)]
pub struct ChangeLog {
    /// The records; revisions grow.
    pub records: Vector<ChangeRecord>,
    /// Revision before the oldest record: deltas from an older one must be full.
    pub floor: Revision,
}
