//! Configuration of `key-auth`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Header that holds the key. It wins over the query argument.
    pub header: String,
    /// Query argument that holds the key.
    pub query: String,
    /// Whether the key is taken out of the request before the node sees it.
    pub hide_credentials: bool,
    /// Consumer of requests without a valid key; without it they are refused.
    pub anonymous_consumer: Option<String>,
    /// Realm in `WWW-Authenticate`; 1 to 128 visible ASCII characters without `"` and `\`.
    pub realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "apikey".into(),
            query: "apikey".into(),
            hide_credentials: false,
            anonymous_consumer: None,
            realm: "key".into(),
        }
    }
}
