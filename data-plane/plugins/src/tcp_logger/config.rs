//! Configuration of `tcp-logger`.

use serde::{Deserialize, Serialize};

use crate::logging::{BatchOptions, EntryOptions};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is TLS.
    #[serde(default)]
    pub tls: bool,
    /// Name for SNI, where it is not `host`.
    #[serde(default)]
    pub tls_options: Option<String>,
    /// Milliseconds to connect and to write.
    #[serde(default = "second")]
    pub timeout: u64,
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

const fn second() -> u64 {
    1000
}

fn name() -> String {
    "tcp logger".into()
}
