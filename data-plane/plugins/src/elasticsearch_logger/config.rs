//! Configuration of `elasticsearch-logger`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Where entries go.
    pub field: Field,
    /// Who asks.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Header fields of the calls.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether the server's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Seconds that a call may take.
    #[serde(default = "ten")]
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

/// Where entries go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Index; variables and `{%Y.%m.%d}` (any of strftime's `Y`, `m`, `d`, `H`) are filled in.
    pub index: String,
}

/// A user of Elasticsearch.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// Name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Auth {
    /// Does not show the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

const fn yes() -> bool {
    true
}

const fn ten() -> u64 {
    10
}

fn name() -> String {
    "elasticsearch-logger".into()
}
