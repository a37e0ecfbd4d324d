//! Configuration of `clickhouse-logger`.

use serde::{Deserialize, Serialize};

use crate::logging::{BatchOptions, EntryOptions};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// URL of a server, in place of the list.
    #[serde(default)]
    pub endpoint_addr: Option<String>,
    /// URLs of servers, asked in turn.
    #[serde(default)]
    pub endpoint_addrs: Option<Vec<String>>,
    /// User.
    #[serde(default)]
    pub user: String,
    /// Password.
    #[serde(default)]
    pub password: String,
    /// Database.
    #[serde(default)]
    pub database: String,
    /// Table.
    #[serde(default)]
    pub logtable: String,
    /// Whether the server's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Seconds that a call may take.
    #[serde(default = "three")]
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

const fn yes() -> bool {
    true
}

const fn three() -> u64 {
    3
}

fn name() -> String {
    "clickhouse-logger".into()
}
