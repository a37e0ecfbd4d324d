//! Configuration of `redirect`.

use serde::{Deserialize, Serialize};

/// What an operator writes; exactly one of `http_to_https`, `uri` and `regex_uri` is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether cleartext requests are sent to the same place by TLS.
    pub http_to_https: Option<bool>,
    /// Where to: a path or URL with variables.
    pub uri: Option<String>,
    /// Expression for the path, and what replaces its matches.
    pub regex_uri: Option<Vec<String>>,
    /// Status; 200 or more.
    pub ret_code: u16,
    /// Whether the place is percent-encoded.
    pub encode_uri: bool,
    /// Whether the request's query is added.
    pub append_query_string: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http_to_https: None,
            uri: None,
            regex_uri: None,
            ret_code: 302,
            encode_uri: false,
            append_query_string: false,
        }
    }
}
