//! The control node: REST Admin API, gRPC for the CLI, streams to agents, and the wiring that makes
//! one process of them.
//!
//! [`run`] is what the binary calls; [`start`] returns the running [`Node`] with its bound addresses,
//! for `weir dev` and for tests.

mod admin;
mod aside;
pub mod config;
mod expiry;
pub mod explain;
mod health;
mod metrics;
pub mod node;
mod registry;
mod rpc;
mod status;
mod sync;
pub mod telemetry;
mod tickets;
mod write;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use config::{Addresses, Config, Options};
pub use node::Node;

/// What every service of one node needs. One per node, behind an `Arc`.
pub(crate) struct Shared {
    /// Ready-to-use settings.
    pub(crate) config: Config,
    /// Consensus: writes, reads, status.
    pub(crate) raft: weir_raft::Handle,
    /// Every agent ever seen by this node.
    pub(crate) agents: Arc<sync::fleet::Fleet>,
    /// What agents that are connected to this node see of their nodes.
    pub(crate) health: Arc<health::Health>,
    /// What service registries say.
    pub(crate) discovery: Arc<registry::Discovery>,
    /// The plugins, as validation sees them.
    pub(crate) catalog: weir_plugins::Builtin,
    /// Who may do what; the same for REST and gRPC.
    pub(crate) keys: admin::auth::Keys,
    /// Tells what would become of a request.
    pub(crate) explainer: Arc<explain::Explainer>,
    /// What is counted.
    pub(crate) metrics: metrics::Metrics,
    /// Cancelled when the node begins to shut down: long-lived streams end then.
    pub(crate) shutdown: CancellationToken,
}

impl Shared {
    /// The clock of the shell: milliseconds since the epoch. Pure code takes the number.
    pub(crate) fn now_ms() -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| {
                u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
            })
    }
}

/// Starts a control node and returns when all of its ports are bound and consensus is started.
///
/// # Errors
/// Configuration that does not hold together (all problems in one error), a port that cannot be
/// bound (names option and address), storage that cannot be opened.
pub async fn start(options: Options) -> anyhow::Result<Node> {
    Node::start(config::load(options)?).await
}

/// Runs a control node until `shutdown` is cancelled, then stops it in order. A start that waits
/// for others (to join, to be added) is given up at once.
///
/// # Errors
/// See [`start`]; and when the node cannot go on: its disk has failed, or it was removed from its
/// cluster.
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(node) = shutdown.run_until_cancelled(start(options)).await else {
        return Ok(());
    };
    let node = node?;
    let failed = shutdown.run_until_cancelled(node.failed()).await;
    node.shutdown().await;
    match failed {
        Some(reason) => Err(anyhow::Error::msg(reason)),
        None => Ok(()),
    }
}
