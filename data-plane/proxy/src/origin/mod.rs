//! How nodes are spoken to.

pub mod exchange;
pub mod h1;
pub mod h2;
pub mod replay;
pub mod spill;
pub mod stream;
pub mod upload;
pub mod wait;

use crate::error::Reason;

/// How an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub reason: Reason,
    /// Whether bytes of the request had left.
    pub sent: bool,
    /// Whether it looks like a kept connection that the node had closed meanwhile.
    pub stale: bool,
}

impl Failure {
    /// A failure before anything of the request had left.
    #[must_use]
    pub const fn unsent(reason: Reason) -> Self {
        Self {
            reason,
            sent: false,
            stale: false,
        }
    }
}
