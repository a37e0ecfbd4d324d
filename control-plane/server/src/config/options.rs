//! Options of `weir control` as flags and environment variables.

use std::path::PathBuf;

/// Options of a control node. Every one may also come from the environment or from the file named
/// by `--config`; a flag wins over the environment, that over the file, that over the default.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Node id, unique in the cluster, from 1 [default: 1; needed with --join]
    #[arg(long, env = "WEIR_NODE_ID", value_name = "ID")]
    pub node_id: Option<u64>,

    /// Directory that the node keeps everything in [default: ./weir-data]
    #[arg(long, env = "WEIR_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where the REST Admin API listens [default: 127.0.0.1:9180]
    #[arg(long, env = "WEIR_ADMIN", value_name = "IP:PORT")]
    pub admin: Option<String>,

    /// Where gRPC for the CLI and agents listens [default: 127.0.0.1:9181]
    #[arg(long, env = "WEIR_GRPC", value_name = "IP:PORT")]
    pub grpc: Option<String>,

    /// Where other members reach this node [default: 127.0.0.1:9182]
    #[arg(long, env = "WEIR_PEER", value_name = "IP:PORT")]
    pub peer: Option<String>,

    /// Where health, metrics and status listen [default: 127.0.0.1:9183]
    #[arg(long, env = "WEIR_STATUS", value_name = "IP:PORT")]
    pub status: Option<String>,

    /// Form a new cluster of one, unless the data directory already has one
    #[arg(
        long, env = "WEIR_BOOTSTRAP", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(),
    )]
    pub bootstrap: Option<bool>,

    /// Peer address of any member to join, unless the data directory says it was done
    #[arg(long, env = "WEIR_JOIN", value_name = "HOST:PORT")]
    pub join: Option<String>,

    /// Host that others use to reach this node, when it listens on all addresses
    #[arg(long, env = "WEIR_ADVERTISE", value_name = "HOST")]
    pub advertise: Option<String>,

    /// Address that other members use [default: --advertise with the port of --peer]
    #[arg(long, env = "WEIR_ADVERTISE_PEER", value_name = "HOST:PORT")]
    pub advertise_peer: Option<String>,

    /// Address that the CLI and agents use [default: --advertise with the port of --grpc]
    #[arg(long, env = "WEIR_ADVERTISE_GRPC", value_name = "HOST:PORT")]
    pub advertise_grpc: Option<String>,

    /// File with the admin key [default: DATA_DIR/admin.key, generated at the first start]
    #[arg(long, env = "WEIR_ADMIN_KEY_FILE", value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,

    /// The admin key; better given by environment, flags show in process lists
    #[arg(
        long,
        env = "WEIR_ADMIN_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub admin_key: Option<String>,

    /// A key that may only read; better given by environment
    #[arg(
        long,
        env = "WEIR_VIEWER_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub viewer_key: Option<String>,

    /// Whether the Admin API and gRPC ask for a key [default: true]
    #[arg(
        long, env = "WEIR_ADMIN_KEY_REQUIRED", value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
    )]
    pub admin_key_required: Option<bool>,

    /// Whether the Admin API answers with CORS headers [default: true]
    #[arg(
        long, env = "WEIR_ADMIN_CORS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(),
    )]
    pub admin_cors: Option<bool>,

    /// Client networks that the Admin API serves [default: 127.0.0.0/24,::1/128]
    #[arg(
        long,
        env = "WEIR_ALLOW_ADMIN",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub allow_admin: Option<Vec<String>>,

    /// What agents proxy: http, stream or http&stream [default: http&stream]
    #[arg(long, env = "WEIR_PROXY_MODE", value_name = "MODE")]
    pub proxy_mode: Option<String>,

    /// Cache zones that agents have; others are refused in writes [default: any name is taken]
    #[arg(
        long,
        env = "WEIR_CACHE_ZONES",
        value_name = "NAME[,NAME...]",
        value_delimiter = ','
    )]
    pub cache_zones: Option<Vec<String>>,

    /// Log entries after which a snapshot is taken and the log purged [default: 5000]
    #[arg(long, env = "WEIR_SNAPSHOT_EVERY", value_name = "N")]
    pub snapshot_every: Option<u64>,

    /// How long a write or a linearizable read is tried, in ms [default: 10000]
    #[arg(long, env = "WEIR_DEADLINE_MS", value_name = "MS")]
    pub deadline_ms: Option<u64>,

    /// How long each step of the shutdown may take, in ms [default: 5000]
    #[arg(long, env = "WEIR_SHUTDOWN_TIMEOUT_MS", value_name = "MS")]
    pub shutdown_timeout_ms: Option<u64>,

    /// What to log: a level, or a filter such as weir_raft=debug,info [default: info]
    #[arg(long, env = "WEIR_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// Form of the log: text or json [default: text]
    #[arg(long, env = "WEIR_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// Registries, as the file states them: there is no flag for them.
    #[arg(skip)]
    pub discovery: Option<serde_json::Value>,

    /// YAML file with the same options
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Options {
    /// These options, and where they say nothing, those of `other`. Of two options that exclude
    /// each other, one given here hides the other one there.
    pub(crate) fn or(self, mut other: Self) -> Self {
        if self.join.is_some() {
            other.bootstrap = None;
        }
        if self.bootstrap == Some(true) {
            other.join = None;
        }
        if self.admin_key_file.is_some() {
            other.admin_key = None;
        }
        Self {
            node_id: self.node_id.or(other.node_id),
            data_dir: self.data_dir.or(other.data_dir),
            admin: self.admin.or(other.admin),
            grpc: self.grpc.or(other.grpc),
            peer: self.peer.or(other.peer),
            status: self.status.or(other.status),
            bootstrap: self.bootstrap.or(other.bootstrap),
            join: self.join.or(other.join),
            advertise: self.advertise.or(other.advertise),
            advertise_peer: self.advertise_peer.or(other.advertise_peer),
            advertise_grpc: self.advertise_grpc.or(other.advertise_grpc),
            admin_key_file: self.admin_key_file.or(other.admin_key_file),
            admin_key: self.admin_key.or(other.admin_key),
            viewer_key: self.viewer_key.or(other.viewer_key),
            admin_key_required: self.admin_key_required.or(other.admin_key_required),
            admin_cors: self.admin_cors.or(other.admin_cors),
            allow_admin: self.allow_admin.or(other.allow_admin),
            proxy_mode: self.proxy_mode.or(other.proxy_mode),
            cache_zones: self.cache_zones.or(other.cache_zones),
            snapshot_every: self.snapshot_every.or(other.snapshot_every),
            deadline_ms: self.deadline_ms.or(other.deadline_ms),
            shutdown_timeout_ms: self.shutdown_timeout_ms.or(other.shutdown_timeout_ms),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            discovery: self.discovery.or(other.discovery),
            config: self.config.or(other.config),
        }
    }
}
