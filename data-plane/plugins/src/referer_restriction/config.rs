//! Configuration of `referer-restriction`.

use serde::{Deserialize, Serialize};

/// What an operator writes; one of the two lists is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Hosts of which one must have referred.
    pub whitelist: Option<Vec<String>>,
    /// Hosts of which none may have referred.
    pub blacklist: Option<Vec<String>>,
    /// Whether requests without a readable `Referer` pass.
    pub bypass_missing: bool,
    /// Message of a refusal; 1 to 1024 characters.
    pub message: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            whitelist: None,
            blacklist: None,
            bypass_missing: false,
            message: "Your referer host is not allowed".into(),
        }
    }
}
