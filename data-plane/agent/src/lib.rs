//! The agent: follows the control plane, keeps the last good state on disk, and drives the proxy.
//!
//! [`run`] is what the binary calls; [`start`] returns the running [`Agent`] with its bound
//! addresses, for `weir dev` and for tests.

pub mod config;
mod facts;
mod geoip;
mod healthcheck;
mod node;
mod plane;
mod status;
mod sync;

use std::num::NonZeroUsize;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

pub use config::{LogFormat, Options, Settings};
pub use node::{Addresses, Agent};

/// Starts an agent and returns when its ports are bound. It serves at once when it finds a state
/// on disk, else it answers 503 until the first revision arrives.
///
/// # Errors
/// Settings that do not hold together (all problems in one error), a port that cannot be bound, a
/// data directory that cannot be used.
pub async fn start(options: Options) -> anyhow::Result<Agent> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let hostname = hostname();
    let settings = Settings::load(options, &hostname, cores).context("settings")?;
    Agent::start(settings, hostname).await
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
