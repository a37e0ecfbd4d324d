//! Configuration of `opa`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The server: a URL.
    pub host: String,
    /// Path of the policy below `/v1/data/`.
    pub policy: String,
    /// Milliseconds that a call may take.
    #[serde(default = "three_seconds")]
    pub timeout: u64,
    /// Whether its certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Whether connections to it are kept.
    #[serde(default = "yes")]
    pub keepalive: bool,
    /// Milliseconds for which an idle connection is kept.
    #[serde(default = "one_minute")]
    pub keepalive_timeout: u64,
    /// Idle connections that are kept.
    #[serde(default = "five")]
    pub keepalive_pool: usize,
    /// Whether it is told of the route.
    #[serde(default)]
    pub with_route: bool,
    /// Whether it is told of the service.
    #[serde(default)]
    pub with_service: bool,
    /// Whether it is told of the consumer.
    #[serde(default)]
    pub with_consumer: bool,
    /// Headers of the decision that the node gets.
    #[serde(default)]
    pub send_headers_upstream: Option<Vec<String>>,
}

const fn three_seconds() -> u64 {
    3000
}

const fn yes() -> bool {
    true
}

const fn one_minute() -> u64 {
    60_000
}

const fn five() -> usize {
    5
}
