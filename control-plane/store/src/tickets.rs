//! Secrets that the agents of the cluster make keys of TLS session tickets of. They are part of the
//! state, not of its resources: nothing that reads resources can show them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_model::Revision;

/// Secrets that are kept: the newest one, and those that tickets may still be from.
const KEPT: usize = 3;

/// 32 random bytes that no log line shows.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One secret of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketSecret {
    /// Log index of the command that brought it.
    pub made: Revision,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
    /// The secret.
    pub secret: Secret,
}

/// The secrets, the newest first.
pub type TicketSecrets = Arc<[TicketSecret]>;

/// The secrets with a new one; unchanged when `replaces` is not the newest one, because another
/// node was faster.
pub(crate) fn rotate(
    secrets: &TicketSecrets,
    replaces: Option<Revision>,
    new: TicketSecret,
) -> TicketSecrets {
    if secrets.first().map(|newest| newest.made) != replaces {
        return Arc::clone(secrets);
    }
    let kept = secrets.iter().take(KEPT - 1).cloned();
    std::iter::once(new).chain(kept).collect()
}
