//! Why a registry could not be read. An error never means "no endpoints": whoever hears of one
//! keeps what it had.

use std::fmt;
use std::time::Duration;

/// What kind of failure it was: what an operator would do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection: down, cut, or no such address.
    Unreachable,
    /// Connected, but no complete answer in time.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// Credentials are missing, wrong, or may not read this service.
    Refused,
    /// The namespace, datacenter, cluster or partition does not exist.
    UnknownNamespace,
    /// The registry answered that it cannot: 5xx, or anything else that is no result.
    Failed,
    /// The answer is not what the protocol says.
    Malformed,
    /// The answer is larger than is taken.
    TooLarge,
    /// The registry or the lookup is configured in a way that cannot work.
    Config,
}

impl ErrorKind {
    /// Name in metrics and status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Tls => "tls",
            ErrorKind::Refused => "refused",
            ErrorKind::UnknownNamespace => "unknown_namespace",
            ErrorKind::Failed => "failed",
            ErrorKind::Malformed => "malformed",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Config => "config",
        }
    }

    /// Whether another server of the same registry may do better.
    #[must_use]
    pub const fn is_of_one_server(self) -> bool {
        !matches!(
            self,
            ErrorKind::Refused | ErrorKind::UnknownNamespace | ErrorKind::Config
        )
    }
}

/// A failure, with the server that it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The server, without credentials; empty when it is about none.
    pub server: String,
    /// What happened.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.server.is_empty() {
            write!(f, "{}: ", self.server)?;
        }
        f.write_str(&self.message)
    }
}

impl Error {
    /// A failure at `server`.
    pub(crate) fn at(server: impl ToString, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            server: server.to_string(),
            message: message.into(),
        }
    }

    /// A failure that no server is to blame for.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::at("", ErrorKind::Config, message)
    }

    /// Nothing came within `limit`.
    pub(crate) fn timeout(server: impl ToString, limit: Duration) -> Self {
        Self::at(
            server,
            ErrorKind::Timeout,
            format!("no complete answer within {limit:?}"),
        )
    }
}

/// The first part of what a registry said, fit for one line of a log.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let head = bytes.get(..200).unwrap_or(bytes);
    let text: String = String::from_utf8_lossy(head)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.trim().to_owned()
}
