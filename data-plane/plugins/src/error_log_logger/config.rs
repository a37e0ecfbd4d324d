//! Metadata of `error-log-logger`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Least severe lines that are shipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names of nginx's levels")]
pub enum Level {
    Stderr,
    Emerg,
    Alert,
    Crit,
    Err,
    Error,
    #[default]
    Warn,
    Notice,
    Info,
    Debug,
}

/// A TCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tcp {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether the connection is TLS.
    #[serde(default)]
    pub tls: bool,
    /// Name for SNI, where it is not `host`.
    #[serde(default)]
    pub tls_server_name: Option<String>,
}

/// SkyWalking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Skywalking {
    /// URL of its receiver of logs.
    pub endpoint_addr: String,
    /// Name of this service.
    pub service_name: String,
    /// Name of this instance; `$hostname` is the host's.
    pub service_instance_name: String,
}

impl Default for Skywalking {
    fn default() -> Self {
        Self {
            endpoint_addr: "http://127.0.0.1:12900/v3/logs".into(),
            service_name: "APISIX".into(),
            service_instance_name: "APISIX Service Instance".into(),
        }
    }
}

/// ClickHouse.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clickhouse {
    /// URL of the server.
    pub endpoint_addr: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Database.
    pub database: String,
    /// Table, with a column `data`.
    pub logtable: String,
}

impl Default for Clickhouse {
    fn default() -> Self {
        Self {
            endpoint_addr: "http://127.0.0.1:8123".into(),
            user: "default".into(),
            password: String::new(),
            database: String::new(),
            logtable: String::new(),
        }
    }
}

impl std::fmt::Debug for Clickhouse {
    /// Does not show the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clickhouse")
            .field("endpoint_addr", &self.endpoint_addr)
            .finish_non_exhaustive()
    }
}

/// Where lines go, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// A TCP server.
    pub tcp: Option<Tcp>,
    /// SkyWalking.
    pub skywalking: Option<Skywalking>,
    /// ClickHouse.
    pub clickhouse: Option<Clickhouse>,
    /// Kafka, as `kafka-logger` has it.
    pub kafka: Option<Map<String, Value>>,
    /// The old form of `tcp`.
    pub host: Option<String>,
    /// The old form of `tcp`.
    pub port: Option<u16>,
    /// Least severe lines that are shipped.
    pub level: Level,
    /// Seconds of a call.
    pub timeout: u64,
    /// Seconds for which an idle connection is kept.
    pub keepalive: u64,
    /// Name of the batch processor.
    pub name: String,
    /// Lines of a batch.
    pub batch_max_size: usize,
    /// Seconds without another line after which a batch leaves.
    pub inactive_timeout: u64,
    /// Seconds after which the oldest line of a batch leaves.
    pub buffer_duration: u64,
    /// How often a batch that could not be sent is tried again.
    pub max_retry_count: u32,
    /// Seconds between two tries.
    pub retry_delay: u64,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            tcp: None,
            skywalking: None,
            clickhouse: None,
            kafka: None,
            host: None,
            port: None,
            level: Level::Warn,
            timeout: 3,
            keepalive: 30,
            name: "error-log-logger".into(),
            batch_max_size: 1000,
            inactive_timeout: 3,
            buffer_duration: 60,
            max_retry_count: 0,
            retry_delay: 1,
        }
    }
}
