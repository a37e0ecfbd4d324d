//! Settings of a control node: parse ([`Options`] and the file), validate, ready to use
//! ([`Config`]). All problems are collected before anything is started.

mod file;
mod options;
mod registries;
#[cfg(test)]
mod tests;
mod validate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;

pub use options::Options;
pub use registries::FileRegistry;

use crate::telemetry::Format;

/// Addresses, one per port of a control node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// REST Admin API.
    pub admin: SocketAddr,
    /// gRPC for the CLI and agents.
    pub grpc: SocketAddr,
    /// gRPC between members.
    pub peer: SocketAddr,
    /// Health, metrics, status.
    pub status: SocketAddr,
}

/// How the keys of the Admin API are found.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySettings {
    /// The admin key, when given directly.
    pub admin: Option<String>,
    /// File that has the admin key, or will have: it is generated when neither is given.
    pub admin_file: PathBuf,
    /// A key that may only read.
    pub viewer: Option<String>,
    /// Whether a key is needed at all.
    pub required: bool,
}

impl std::fmt::Debug for KeySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySettings")
            .field("admin_file", &self.admin_file)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

/// Ready-to-use settings of one control node.
#[derive(Debug, Clone)]
pub struct Config {
    /// Unique in the cluster, not 0.
    pub node_id: u64,
    /// Everything that the node keeps.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 means any free one.
    pub listen: Addresses,
    /// Host that others use to reach this node when a listen address does not say it.
    pub advertise_peer: String,
    /// The same for the gRPC port.
    pub advertise_grpc: String,
    /// How to become part of a cluster.
    pub start: weir_raft::Start,
    /// Keys of REST and gRPC.
    pub keys: KeySettings,
    /// Whether the Admin API answers with CORS headers.
    pub cors: bool,
    /// Client addresses that the Admin API serves; others get 403.
    pub allow_admin: Vec<IpNet>,
    /// Whether stream routes are accepted.
    pub stream_mode: bool,
    /// Cache zones that agents have, if that is known.
    pub cache_zones: Option<Vec<String>>,
    /// Registries of the file, beside the objects.
    pub registries: Vec<FileRegistry>,
    /// Log entries after which a snapshot is taken.
    pub snapshot_every: u64,
    /// How long a write or a linearizable read is tried.
    pub deadline: Duration,
    /// How long each step of the shutdown may take.
    pub shutdown_timeout: Duration,
    /// Filter of the log, as `tracing-subscriber` reads it.
    pub log_filter: String,
    /// Form of the log.
    pub log_format: Format,
}

/// Parse, merge (flag, environment, file, default) and validate.
///
/// # Errors
/// A file that cannot be read, and all problems of file and options together, one a line.
pub fn load(options: Options) -> anyhow::Result<Config> {
    let (from_file, mut problems) = match &options.config {
        None => (Options::default(), Vec::new()),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("config file {}", path.display()))?;
            file::parse(&text)
        }
    };
    let (config, more) = validate::validate(options.or(from_file));
    problems.extend(more);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => anyhow::bail!("configuration of the control node: {}", problems.join("; ")),
    }
}
