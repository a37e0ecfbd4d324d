//! Configuration of `syslog`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::logging::{BatchOptions, EntryOptions};

/// How messages travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SockType {
    /// A byte stream, one message to a line.
    #[default]
    Tcp,
    /// One message to a datagram.
    Udp,
}

/// Where messages go, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How messages travel.
    #[serde(default)]
    pub sock_type: SockType,
    /// Whether the connection is TLS.
    #[serde(default)]
    pub tls: bool,
    /// Milliseconds to connect and to write.
    #[serde(default = "three_seconds")]
    pub timeout: u64,
    /// Connections that are kept.
    #[serde(default = "five")]
    pub pool_size: usize,
    /// Bytes of messages that make a batch leave.
    #[serde(default = "flush")]
    pub flush_limit: usize,
    /// Bytes of messages that may wait.
    #[serde(default = "mebibyte")]
    pub drop_limit: i64,
    /// When they are sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

/// What an operator writes for requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where messages go, and how.
    #[serde(flatten)]
    pub server: Server,
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// What is logged.
    #[serde(flatten)]
    pub entry: EntryOptions,
}

/// What an operator writes for streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// Where messages go, and how.
    #[serde(flatten)]
    pub server: Server,
    /// Name of the batch processor.
    #[serde(default = "stream_name")]
    pub name: String,
    /// Fields of an entry, in place of the default ones.
    #[serde(default)]
    pub log_format: Option<Map<String, Value>>,
}

const fn three_seconds() -> u64 {
    3000
}

const fn five() -> usize {
    5
}

const fn flush() -> usize {
    4096
}

const fn mebibyte() -> i64 {
    1 << 20
}

fn name() -> String {
    "sys logger".into()
}

fn stream_name() -> String {
    "stream sys logger".into()
}
