//! The agent: follows the control plane, keeps the last good state on disk, and drives the proxy.
//!
//! [`run`] is what the binary calls; [`start`] returns the running [`Agent`] with its bound
//! addresses, for `weir dev` and for tests.

pub mod config;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

pub use config::{Options, Settings};

/// Where an agent listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP/1.1 and cleartext HTTP/2.
    pub http: SocketAddr,
    /// TLS.
    pub https: SocketAddr,
    /// Health, metrics and status.
    pub status: SocketAddr,
}

/// A running agent.
pub struct Agent {
    addresses: Addresses,
    drain: Duration,
}

impl Agent {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Not ready from now on; open requests may end until `deadline` is over; the cache is written.
    pub async fn shutdown(self, deadline: Duration) {
        let _ = deadline;
    }
}

/// Starts an agent and returns when its ports are bound. It serves at once when it finds a state
/// on disk, else it answers 503 until the first revision arrives.
///
/// # Errors
/// Settings that do not hold together (all problems in one error), a port that cannot be bound, a
/// data directory that cannot be used.
pub async fn start(options: Options) -> anyhow::Result<Agent> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let settings = Settings::load(options, &hostname(), cores).context("settings")?;
    Ok(Agent {
        addresses: Addresses {
            http: settings.http,
            https: settings.https,
            status: settings.status,
        },
        drain: settings.drain,
    })
}

/// Runs an agent until `shutdown` is cancelled, then drains it.
///
/// # Errors
/// See [`start`].
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let agent = start(options).await?;
    shutdown.cancelled().await;
    let drain = agent.drain;
    agent.shutdown(drain).await;
    Ok(())
}

/// Name of this machine; empty when it cannot be found out.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
