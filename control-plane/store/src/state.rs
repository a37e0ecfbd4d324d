//! The state that all members agree on. Immutable for readers: cloning is cheap.

use weir_model::ResourceSet;

use crate::changes::ChangeLog;

/// State after some revision.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Name of the cluster; empty before the bootstrap command.
    pub cluster_id: String,
    /// The resources and the revision of the last change.
    pub set: ResourceSet,
    /// What changed lately, for deltas and watches.
    pub changes: ChangeLog,
}
