//! Configuration of `basic-auth`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether `Authorization` is taken out of the request before the node sees it.
    pub hide_credentials: bool,
    /// Consumer of requests without valid credentials; without it they are refused.
    pub anonymous_consumer: Option<String>,
    /// Realm in `WWW-Authenticate`; 1 to 128 visible ASCII characters without `"` and `\`.
    pub realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hide_credentials: false,
            anonymous_consumer: None,
            realm: "basic".into(),
        }
    }
}
