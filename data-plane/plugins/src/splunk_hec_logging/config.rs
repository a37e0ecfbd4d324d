//! Configuration of `splunk-hec-logging`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::logging::BatchOptions;

/// Where to.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// URL of the event collector.
    pub uri: String,
    /// Its token.
    pub token: String,
    /// Channel, for collectors that acknowledge.
    #[serde(default)]
    pub channel: Option<String>,
    /// Seconds that a call may take.
    #[serde(default = "ten")]
    pub timeout: u64,
    /// Accepted for APISIX: how long connections are kept is the agent's choice, in milliseconds.
    #[serde(default = "minute")]
    pub keepalive_timeout: u64,
}

impl std::fmt::Debug for Endpoint {
    /// Does not show the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where to.
    pub endpoint: Endpoint,
    /// Whether the server's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Fields of an entry, in place of the default ones.
    #[serde(default)]
    pub log_format: Option<Map<String, Value>>,
    /// Fields besides.
    #[serde(default)]
    pub log_format_extra: Option<Map<String, Value>>,
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// When it is sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

const fn ten() -> u64 {
    10
}

const fn minute() -> u64 {
    60_000
}

const fn yes() -> bool {
    true
}

fn name() -> String {
    "splunk-hec-logging".into()
}
