//! Configuration of `api-breaker`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Status of an answer while it is open, 200 to 599.
    pub break_response_code: u16,
    /// Body of such an answer; none is the page of the status.
    pub break_response_body: Option<String>,
    /// Headers of such an answer, with variables in values; sent only with a body.
    pub break_response_headers: Option<Vec<Header>>,
    /// Longest time that it stays open, in seconds, 3 or more.
    #[serde(default = "max_breaker_sec")]
    pub max_breaker_sec: u64,
    /// What opens it.
    #[serde(default)]
    pub unhealthy: Unhealthy,
    /// What closes it for good.
    #[serde(default)]
    pub healthy: Healthy,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name.
    pub key: String,
    /// Value, with variables.
    pub value: String,
}

/// What opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unhealthy {
    /// Statuses of nodes that count, 500 to 599.
    pub http_statuses: Vec<u16>,
    /// How many of them open it, 1 or more.
    pub failures: u64,
}

impl Default for Unhealthy {
    fn default() -> Self {
        Self {
            http_statuses: vec![500],
            failures: 3,
        }
    }
}

/// What closes it for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthy {
    /// Statuses of nodes that count, 200 to 499.
    pub http_statuses: Vec<u16>,
    /// How many of them in a row close it, 1 or more.
    pub successes: u64,
}

impl Default for Healthy {
    fn default() -> Self {
        Self {
            http_statuses: vec![200],
            successes: 3,
        }
    }
}

const fn max_breaker_sec() -> u64 {
    300
}
