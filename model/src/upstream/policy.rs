//! Small settings of an upstream: protocol, host, pool, locality.

use std::time::Duration;

use serde::Deserialize;

use crate::field::timeout;

/// Protocol towards the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP/1.1 in clear.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// gRPC in clear.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
    /// Bytes.
    Tcp,
    /// Bytes over TLS.
    Tls,
    /// Datagrams.
    Udp,
    /// Kafka.
    Kafka,
}

impl Scheme {
    /// Name as in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Grpc => "grpc",
            Scheme::Grpcs => "grpcs",
            Scheme::Tcp => "tcp",
            Scheme::Tls => "tls",
            Scheme::Udp => "udp",
            Scheme::Kafka => "kafka",
        }
    }

    /// Port of a node that states none; `None` where there is no usual one.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Http | Scheme::Grpc => Some(80),
            Scheme::Https | Scheme::Grpcs => Some(443),
            Scheme::Tcp | Scheme::Tls | Scheme::Udp | Scheme::Kafka => None,
        }
    }
}

/// Version of HTTP that nodes of scheme `http` or `https` are spoken to with; those of `grpc` and
/// `grpcs` always speak HTTP/2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "1.1")]
    One,
    /// HTTP/2: with prior knowledge in clear, agreed on by ALPN over TLS.
    #[serde(rename = "2")]
    Two,
    /// Over TLS whichever the node picks by ALPN; HTTP/1.1 in clear.
    #[serde(rename = "auto")]
    Auto,
}

/// Version of the PROXY protocol that nodes are told the client's address with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Which Host header the nodes see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PassHost {
    /// The client's.
    Pass,
    /// The name of the node.
    Node,
    /// `upstream_host`.
    Rewrite,
}

impl PassHost {
    /// Name as in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PassHost::Pass => "pass",
            PassHost::Node => "node",
            PassHost::Rewrite => "rewrite",
        }
    }
}

/// Idle connections kept per worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeepalivePool {
    /// Connections.
    pub size: u32,
    /// How long an idle one is kept.
    #[serde(deserialize_with = "timeout::seconds")]
    pub idle_timeout: Duration,
    /// Requests after which a connection is closed.
    pub requests: u32,
}

impl Default for KeepalivePool {
    fn default() -> Self {
        Self {
            size: 320,
            idle_timeout: Duration::from_secs(60),
            requests: 1000,
        }
    }
}

/// Preference for near nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Locality {
    /// How strong the preference is.
    pub mode: LocalityMode,
    /// Regions to turn to, in order, when too few near nodes are healthy.
    #[serde(default)]
    pub failover: Vec<String>,
}

/// Strength of a locality preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalityMode {
    /// Near nodes while enough of them are healthy.
    Prefer,
    /// Near nodes only.
    Strict,
    /// No preference.
    Off,
}

/// What happens when no node of an upstream with health checks is healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAllUnhealthy {
    /// Health is ignored: all nodes are used, as in APISIX.
    #[default]
    UseAll,
    /// Requests fail, without bothering the nodes.
    Fail,
}

/// A node that is new, or healthy again, gets its share of the traffic step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SlowStart {
    /// Time until it has its whole weight.
    #[serde(deserialize_with = "timeout::seconds")]
    pub window: Duration,
    /// Percent of its weight to begin with: 1 to 100.
    #[serde(default = "SlowStart::default_percent")]
    pub min_weight_percent: u8,
}

impl SlowStart {
    const fn default_percent() -> u8 {
        10
    }
}
