//! Configuration of `jwe-decrypt`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Header that holds the token, with or without `Bearer `.
    pub header: String,
    /// Header in which the node gets the clear text.
    pub forward_header: String,
    /// Whether requests without a token are refused.
    pub strict: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "Authorization".into(),
            forward_header: "Authorization".into(),
            strict: true,
        }
    }
}
