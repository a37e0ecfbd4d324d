//! Configuration of `client-control`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Largest body of a request in bytes; 0 is no limit, none is that of the gateway.
    pub max_body_size: Option<u64>,
}
