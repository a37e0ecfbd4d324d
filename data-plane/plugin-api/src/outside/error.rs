//! Why a call to the outside gave nothing.

/// Why a call failed. The text goes to logs, never to clients: it may name addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The address is not one that can be called.
    #[error("address {address:?}: {problem}")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection came about.
    #[error("cannot connect to {address}: {cause}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        cause: String,
    },
    /// The call took longer than its limit.
    #[error("no answer from {address} within {limit_ms} ms")]
    Timeout {
        /// Host and port.
        address: String,
        /// The limit.
        limit_ms: u64,
    },
    /// The exchange broke off, or the answer is malformed.
    #[error("{address}: {cause}")]
    Broken {
        /// Host and port.
        address: String,
        /// What happened.
        cause: String,
    },
    /// The answer is larger than the call allows.
    #[error("{address}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// Host and port.
        address: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The server understood and refused (wrong password, unknown command).
    #[error("{address} refused: {answer}")]
    Refused {
        /// Host and port.
        address: String,
        /// What it said.
        answer: String,
    },
    /// Too many calls are waiting already.
    #[error("too many calls to {address} are under way")]
    Busy {
        /// Host and port.
        address: String,
    },
    /// There is no outside here (a dry check).
    #[error("no calls can be made here")]
    Unavailable,
}

impl CallError {
    /// Whether the server answered: another try would be answered in the same way.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            CallError::Address { .. } | CallError::Refused { .. } | CallError::Unavailable
        )
    }
}
