//! Configuration of `loki-logger`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::logging::{BatchOptions, EntryOptions};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// URLs of servers, asked in turn.
    pub endpoint_addrs: Vec<String>,
    /// Path of the push API.
    #[serde(default = "push")]
    pub endpoint_uri: String,
    /// `X-Scope-OrgID`.
    #[serde(default = "tenant")]
    pub tenant_id: String,
    /// Header fields of the calls.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Labels of the stream; values may hold variables.
    #[serde(default = "labels")]
    pub log_labels: BTreeMap<String, String>,
    /// Whether the server's certificate is verified.
    #[serde(default)]
    pub ssl_verify: bool,
    /// Milliseconds that a call may take.
    #[serde(default = "three_seconds")]
    pub timeout: u64,
    /// Whether connections are kept.
    #[serde(default = "yes")]
    pub keepalive: bool,
    /// Accepted for APISIX: how long connections are kept is the agent's choice, in milliseconds.
    #[serde(default = "minute")]
    pub keepalive_timeout: u64,
    /// Accepted for APISIX: how many connections are kept is the agent's choice.
    #[serde(default = "five")]
    pub keepalive_pool: u64,
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

fn push() -> String {
    "/loki/api/v1/push".into()
}

fn tenant() -> String {
    "fake".into()
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("job".into(), "apisix".into())])
}

const fn three_seconds() -> u64 {
    3000
}

const fn yes() -> bool {
    true
}

const fn minute() -> u64 {
    60_000
}

const fn five() -> u64 {
    5
}

fn name() -> String {
    "loki logger".into()
}
