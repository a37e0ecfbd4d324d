//! The state that all members agree on. Immutable for readers: cloning is cheap.

use sha2::{Digest, Sha256};
use weir_model::{Key, ResourceSet};

use crate::changes::ChangeLog;
use crate::index::Index;
use crate::snapshot;
use crate::tickets::TicketSecrets;

/// State after some revision.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Name of the cluster; empty before the bootstrap command.
    pub cluster_id: String,
    /// The resources and the revision of the last change.
    pub set: ResourceSet,
    /// What changed lately, for deltas and watches.
    pub changes: ChangeLog,
    /// Secrets of session tickets.
    pub tickets: TicketSecrets,
    /// Last number that was given to a new resource; ids never come back.
    pub(crate) last_id: u64,
    /// Who uses whom, derived from `set`.
    pub(crate) index: Index,
}

impl State {
    /// The resources that refer to `target`, ordered by key, each once.
    #[must_use]
    pub fn users_of(&self, target: &Key) -> Vec<Key> {
        let mut users: Vec<Key> = self.index.uses(target).map(|(user, _)| user).collect();
        users.dedup();
        users
    }

    /// Milliseconds since the epoch when the next resource expires; `None` when none does.
    #[must_use]
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.index.next_expiry_ms()
    }
}

/// SHA-256 over the snapshot of `state`, as lower-case hex. Two members at the same applied index
/// have the same hash. Costs one encoding of the whole state.
#[must_use]
pub fn state_hash(state: &State) -> String {
    hex(&Sha256::digest(snapshot::body(state)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
