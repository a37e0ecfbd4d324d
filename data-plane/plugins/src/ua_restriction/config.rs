//! Configuration of `ua-restriction`.

use serde::{Deserialize, Serialize};

/// What an operator writes; one of the two lists is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Expressions of which one must match.
    pub allowlist: Option<Vec<String>>,
    /// Expressions of which none may match.
    pub denylist: Option<Vec<String>>,
    /// Whether requests without `User-Agent` pass.
    pub bypass_missing: bool,
    /// Message of a refusal; 1 to 1024 characters.
    pub message: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allowlist: None,
            denylist: None,
            bypass_missing: false,
            message: "Not allowed".into(),
        }
    }
}
