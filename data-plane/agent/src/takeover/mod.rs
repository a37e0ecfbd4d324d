//! How a new process of an agent takes over from the running one, without a refused connection.
//!
//! The running process listens on a Unix socket in its data directory, for processes of the same
//! user. Both speak frames of JSON; descriptors travel beside them.
//!
//! ```text
//!   new process                         running process
//!   hello: versions, name          ──▶  checks user, version, name
//!                                  ◀──  offer, then the lock of the data directory and every
//!                                       socket that listens (or: refuse, with the reason)
//!   starts: cache, configuration
//!   ready                          ──▶  puts what is new on disk, writes no more
//!                                  ◀──  released
//!   accepts connections
//!   serving                        ──▶  closes its own sockets, drains
//!                                  ◀──  taken
//!   writes to the data directory
//! ```
//!
//! Whatever goes wrong before `serving`, the running process goes on as if nothing had happened.
//! When the running process dies on the way, the new one has all that it needs and goes on alone.

mod channel;
mod message;
mod offering;
mod predecessor;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use offering::{Offering, Running};
pub(crate) use predecessor::{Given, Predecessor};

/// Versions of the protocol that this release speaks, the oldest and the newest one. A release
/// speaks at least the newest version of the release before it.
const VERSIONS: (u32, u32) = (1, 2);
/// Since this version the sockets for UDP are passed on, too.
const WITH_DATAGRAMS: u32 = 2;

/// Every step that is answered at once.
const STEP: Duration = Duration::from_secs(10);
/// How long the running process waits for the new one to be ready.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the running process of a data directory is asked.
fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("takeover.sock")
}

/// Why a takeover came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The other side says so.
    #[error("{0}")]
    Refused(String),
    /// The other side is gone.
    #[error("the other process ended the connection")]
    Gone,
    /// The other side does not speak the protocol.
    #[error("the other process said {0}")]
    Unexpected(String),
    /// The other side is silent.
    #[error("the other process did not answer within {0:?}")]
    Silent(Duration),
    /// The connection fails.
    #[error("connection to the other process: {0}")]
    Io(#[from] std::io::Error),
}
