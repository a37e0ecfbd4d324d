//! Configuration of `syslog`.

use serde::{Deserialize, Serialize};

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

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
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
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// What is logged.
    #[serde(flatten)]
    pub entry: EntryOptions,
    /// When it is sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
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
