//! What is decided before the gateway starts.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use weir_plugin_api::BodyLimits;

use crate::http::forward::RealIp;
use crate::http::target::PathRules;
use crate::telemetry::access_log::AccessLog;

/// Limits towards clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head; at least 8192. Above: 431.
    pub header_bytes: usize,
    /// Fields of a request head. Above: 431.
    pub header_count: usize,
    /// Bytes of a request target. Above: 414.
    pub uri_length: usize,
    /// From the accept, or the first byte after idleness, to the end of a request head.
    pub header: Duration,
    /// From the end of one request to the first byte of the next.
    pub idle: Duration,
    /// While the client does not take what is written.
    pub send: Duration,
    /// Between two pieces of a request body.
    pub body: Duration,
    /// Requests open at once on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Bytes of a request body. Above: 413. `None` is no limit.
    pub body_bytes: Option<u64>,
    /// How much of a request body variables look at.
    pub bodies: BodyLimits,
    /// Bytes of request bodies that are held for variables, over all requests. Above: 503.
    pub body_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            header_bytes: 32 * 1024,
            header_count: 100,
            uri_length: 8 * 1024,
            header: Duration::from_secs(10),
            idle: minute,
            send: minute,
            body: minute,
            http2_streams: 128,
            body_bytes: None,
            bodies: BodyLimits::default(),
            body_memory: 256 << 20,
        }
    }
}

/// How much of request bodies is kept so that another node can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySettings {
    /// Bytes of one body in memory.
    pub memory: usize,
    /// Bytes of one body in memory and on disk. A larger one is sent once.
    pub size: u64,
    /// Bytes on disk of all bodies together.
    pub total: u64,
    /// Where bodies lie on disk, in files without a name.
    pub folder: PathBuf,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self {
            memory: 64 * 1024,
            size: 64 * 1024 * 1024,
            total: 1024 * 1024 * 1024,
            folder: std::env::temp_dir(),
        }
    }
}

/// Static settings of requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `Server` field of every answer; `None` leaves what the node said.
    pub server: Option<HeaderValue>,
    /// Whether every answer carries `X-APISIX-Upstream-Status`, not only failures.
    pub show_upstream_status: bool,
    /// Whether failures tell their reason in the field `X-Weir-Reason`.
    pub show_reason: bool,
    /// Limits towards clients.
    pub limits: Limits,
    /// How paths are read.
    pub paths: PathRules,
    /// How much of request bodies is kept.
    pub replay: ReplaySettings,
    /// Whose word about the client's address is taken.
    pub real_ip: RealIp,
    /// Peers that may set `X-Forwarded-*`; `None` means no list.
    pub trusted_addresses: Option<Vec<IpNet>>,
    /// Peers whose PROXY headers are believed, others are closed; `None` is everybody.
    pub relays: Option<Vec<IpNet>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Some(server_field(true)),
            show_upstream_status: false,
            show_reason: false,
            limits: Limits::default(),
            paths: PathRules::default(),
            replay: ReplaySettings::default(),
            real_ip: RealIp::default(),
            trusted_addresses: None,
            relays: None,
        }
    }
}

/// The `Server` field, with or without version (`enable_server_tokens`).
#[must_use]
pub fn server_field(tokens: bool) -> HeaderValue {
    HeaderValue::from_static(if tokens { "APISIX/3.18.0" } else { "APISIX" })
}

/// Everything that is decided before the start.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Cleartext addresses, HTTP/1.1 and HTTP/2; port 0 lets the system choose.
    pub http: Vec<SocketAddr>,
    /// TLS addresses.
    pub https: Vec<SocketAddr>,
    /// Cleartext addresses where every connection begins with a PROXY header.
    pub relayed_http: Vec<SocketAddr>,
    /// TLS addresses where every connection begins with a PROXY header, in clear.
    pub relayed_https: Vec<SocketAddr>,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// Settings of requests.
    pub settings: Settings,
}

impl Default for GatewayConfig {
    /// No listener, one worker per core, no access log.
    fn default() -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            relayed_http: Vec::new(),
            relayed_https: Vec::new(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            access_log: AccessLog::Off,
            settings: Settings::default(),
        }
    }
}
