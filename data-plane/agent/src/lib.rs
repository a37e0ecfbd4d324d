//! The agent: follows the control plane, keeps the last good state on disk, and drives the proxy.
//!
//! [`run`] is what the binary calls; [`start`] returns the running [`Agent`] with its bound
//! addresses, for `weir dev` and for tests.

pub mod config;
mod data_dir;
mod export;
mod facts;
mod geoip;
mod healthcheck;
mod node;
mod plane;
mod ports;
mod readiness;
mod secrets;
mod server_info;
mod service_manager;
mod status;
mod sync;
mod takeover;
mod wiring;

use std::num::NonZeroUsize;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

pub use config::{LogFormat, Options, Settings, Takeover};
pub use node::{Addresses, Agent};

use node::Cause;

/// How a running agent is told to end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Drain, then end.
    pub begin: CancellationToken,
    /// Do not wait any longer for what is open.
    pub hurry: CancellationToken,
}

/// What became of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Requests that were cut off at the end.
    pub cut_off: u64,
}

/// Starts an agent and returns when its ports are bound. It serves at once when it finds a state
/// on disk, else it answers 503 until the first revision arrives. When another process of the same
/// agent runs on the data directory, it takes over from it, and returns when that one drains.
///
/// # Errors
/// Settings that do not hold together (all problems in one error), a port that cannot be bound, a
/// data directory that cannot be used, a running process that cannot be taken over.
pub async fn start(options: Options) -> anyhow::Result<Agent> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let hostname = hostname();
    let settings = Settings::load(options, &hostname, cores).context("settings")?;
    Agent::start(settings, hostname).await
}

/// Runs an agent until `shutdown` begins or another process has taken over, then drains it.
///
/// # Errors
/// See [`start`].
pub async fn run(options: Options, shutdown: Shutdown) -> anyhow::Result<Ended> {
    let agent = start(options).await?;
    service_manager::ready();
    let cause = tokio::select! {
        () = agent.succeeded() => Cause::Succession,
        () = shutdown.begin.cancelled() => Cause::Signal,
    };
    let hurry = match cause {
        Cause::Signal => {
            service_manager::stopping();
            &shutdown.hurry
        }
        // It drains already: the first signal is one too many.
        Cause::Succession => &shutdown.begin,
    };
    let cut_off = agent.end(cause, hurry).await;
    Ok(Ended { cut_off })
}

/// Name of this machine; empty when it cannot be found out.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
