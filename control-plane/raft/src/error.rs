//! Why consensus could not do what was asked, by what the caller can do about it.

/// A write that is not known to be committed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No leader took it in time; it was not committed and may be tried again.
    #[error("no leader took the write within {waited_ms} ms: {reason}")]
    Unavailable {
        /// How long it was tried.
        waited_ms: u64,
        /// What was last seen.
        reason: String,
    },
    /// It was proposed, but the answer was lost: it may or may not be committed.
    #[error("the write may or may not be committed: {0}")]
    Unknown(String),
    /// The disk refused: full or broken.
    #[error("storage refused the write: {0}")]
    Storage(String),
    /// It would not fit the messages between members; nothing was proposed.
    #[error("the change set has {bytes} bytes, at most {limit} are taken: split it")]
    TooLarge {
        /// Its size in the log.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// This node is shutting down.
    #[error("this node is shutting down")]
    Shutdown,
}

/// A linearizable read that could not be confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed it in time.
    #[error("no leader confirmed the read within {waited_ms} ms: {reason}")]
    Unavailable {
        /// How long it was tried.
        waited_ms: u64,
        /// What was last seen.
        reason: String,
    },
    /// This node is shutting down.
    #[error("this node is shutting down")]
    Shutdown,
}

/// A change of membership that was not made.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// No such member.
    #[error("node {0} is not a member")]
    NotAMember(u64),
    /// It would leave the cluster without a quorum of reachable voters.
    #[error("refused: {0}")]
    Unsafe(String),
    /// No leader made it in time.
    #[error("not done within {waited_ms} ms: {reason}")]
    Unavailable {
        /// How long it was tried.
        waited_ms: u64,
        /// What was last seen.
        reason: String,
    },
}
