//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text each.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether processes of one agent take over from each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Takeover {
    /// From the process that runs on the same data directory, when there is one.
    #[default]
    Auto,
    /// Never, and none takes over from this one.
    Never,
}

impl std::str::FromStr for Takeover {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        clap::ValueEnum::from_str(text, false)
    }
}

/// Options of `weir agent`. What is not given comes from the environment, then from the file of
/// `--config`, then from the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(after_help = "Example:\n  weir agent --control 127.0.0.1:9181 --name edge-1 --region eu")]
pub struct Options {
    /// Control nodes to connect to, in turns
    #[arg(
        long,
        env = "WEIR_CONTROL",
        value_name = "ADDR[,ADDR...]",
        value_delimiter = ','
    )]
    pub control: Vec<String>,

    /// Name in the fleet [default: host name]
    #[arg(long, env = "WEIR_NAME", value_name = "NAME")]
    pub name: Option<String>,

    /// Region that it serves
    #[arg(long, env = "WEIR_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// Zone of the region that it serves
    #[arg(long, env = "WEIR_ZONE", value_name = "ZONE")]
    pub zone: Option<String>,

    /// Group that it belongs to
    #[arg(long, env = "WEIR_GROUP", value_name = "GROUP")]
    pub group: Option<String>,

    /// Folder for the last good state [default: ./weir-agent]
    #[arg(long, env = "WEIR_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Listener for HTTP/1.1 and cleartext HTTP/2 [default: 0.0.0.0:9080]
    #[arg(long, env = "WEIR_HTTP", value_name = "ADDR")]
    pub http: Option<SocketAddr>,

    /// Listener for TLS [default: 0.0.0.0:9443]
    #[arg(long, env = "WEIR_HTTPS", value_name = "ADDR")]
    pub https: Option<SocketAddr>,

    /// Listeners for streams over TCP
    #[arg(
        long,
        env = "WEIR_STREAM_TCP",
        value_name = "ADDR[,ADDR...]",
        value_delimiter = ','
    )]
    pub stream_tcp: Vec<SocketAddr>,

    /// Listeners for streams over TCP on which TLS ends
    #[arg(
        long,
        env = "WEIR_STREAM_TLS",
        value_name = "ADDR[,ADDR...]",
        value_delimiter = ','
    )]
    pub stream_tls: Vec<SocketAddr>,

    /// Listeners for streams over UDP
    #[arg(
        long,
        env = "WEIR_STREAM_UDP",
        value_name = "ADDR[,ADDR...]",
        value_delimiter = ','
    )]
    pub stream_udp: Vec<SocketAddr>,

    /// Listener for health, metrics and status [default: 127.0.0.1:9091]
    #[arg(long, env = "WEIR_STATUS", value_name = "ADDR")]
    pub status: Option<SocketAddr>,

    /// Worker threads [default: number of cores]
    #[arg(long, env = "WEIR_WORKERS", value_name = "COUNT")]
    pub workers: Option<NonZeroUsize>,

    /// How long open requests may go on after SIGTERM [default: 30]
    #[arg(long, env = "WEIR_DRAIN_SECONDS", value_name = "SECONDS")]
    pub drain_seconds: Option<u64>,

    /// How long it serves on after SIGTERM, not ready, before it drains [default: 1]
    #[arg(long, env = "WEIR_DRAIN_DELAY_SECONDS", value_name = "SECONDS")]
    pub drain_delay_seconds: Option<u64>,

    /// How long a drain leaves idle HTTP/1 connections open for a next request [default: 5]
    #[arg(long, env = "WEIR_DRAIN_IDLE_SECONDS", value_name = "SECONDS")]
    pub drain_idle_seconds: Option<u64>,

    /// Whether it takes over from a process that runs on the same data directory [default: auto]
    #[arg(long, env = "WEIR_TAKEOVER", value_name = "WHEN")]
    pub takeover: Option<Takeover>,

    /// File for the access log, `-` for standard output, `off` for none [default: -]
    #[arg(long, env = "WEIR_ACCESS_LOG", value_name = "FILE")]
    pub access_log: Option<String>,

    /// What to log: a level, or a filter such as weir_agent=debug,info
    #[arg(long, env = "WEIR_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Form of the log: text or json
    #[arg(
        long,
        env = "WEIR_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// YAML file with these options and the static options of APISIX's config.yaml
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}
