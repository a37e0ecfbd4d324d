//! Configuration of `real-ip`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Variable that holds the address.
    pub source: String,
    /// Peers that are believed; without it everybody is.
    #[serde(default)]
    pub trusted_addresses: Option<Vec<String>>,
    /// Whether `X-Forwarded-For` is walked from its end to the first address that is not trusted.
    #[serde(default)]
    pub recursive: bool,
}
