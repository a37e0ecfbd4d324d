//! What is decided before the gateway starts.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use weir_plugin_api::response::SERVER_TOKEN;

use super::limits::Limits;
use crate::http::forward::RealIp;
use crate::http::target::PathRules;
use crate::telemetry::access_log::AccessLog;

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

/// A listener for streams over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamListener {
    /// Where; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Whether TLS ends here.
    pub tls: bool,
}

/// Static settings of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSettings {
    /// Whether every TCP connection begins with a PROXY header.
    pub relayed: bool,
    /// Whether nodes are told the client in a PROXY header, where the upstream does not say so.
    pub tell_nodes: bool,
    /// UDP sessions that one worker has open at once.
    pub udp_sessions: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            relayed: false,
            tell_nodes: false,
            udp_sessions: 4096,
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
    /// How long a drain leaves idle HTTP/1 connections open for a request that may be on its way;
    /// half of the drain's time at most.
    pub drain_idle: Duration,
    /// What is particular to streams.
    pub streams: StreamSettings,
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
            drain_idle: Duration::from_secs(5),
            streams: StreamSettings::default(),
        }
    }
}

/// The `Server` field, with or without version (`enable_server_tokens`).
#[must_use]
pub fn server_field(tokens: bool) -> HeaderValue {
    HeaderValue::from_static(if tokens { SERVER_TOKEN } else { "APISIX" })
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
    /// TCP addresses of streams.
    pub stream_tcp: Vec<StreamListener>,
    /// UDP addresses of streams.
    pub stream_udp: Vec<SocketAddr>,
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
            stream_tcp: Vec::new(),
            stream_udp: Vec::new(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            access_log: AccessLog::Off,
            settings: Settings::default(),
        }
    }
}
