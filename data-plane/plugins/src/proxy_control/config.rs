//! Configuration of `proxy-control`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether the body of a request is read whole before a node is asked.
    pub request_buffering: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_buffering: true,
        }
    }
}
