//! Configuration of `ip-restriction`.

use serde::{Deserialize, Serialize};

/// What an operator writes; one of the two lists is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Only these addresses and networks pass.
    pub whitelist: Option<Vec<String>>,
    /// These addresses and networks are refused.
    pub blacklist: Option<Vec<String>>,
    /// Message of a refusal; 1 to 1024 characters.
    pub message: String,
    /// Status of a refusal: 403 or 404.
    pub response_code: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            whitelist: None,
            blacklist: None,
            message: "Your IP address is not allowed".into(),
            response_code: 403,
        }
    }
}
