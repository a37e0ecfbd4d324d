//! Configuration of `proxy-rewrite`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// New path, with or without a query; a template. Wins over `regex_uri`.
    pub uri: Option<String>,
    /// Pattern, replacement, pattern, replacement, ...; the first pattern that matches is applied.
    pub regex_uri: Option<Vec<String>>,
    /// Host header for the node.
    pub host: Option<String>,
    /// Method for the node.
    pub method: Option<String>,
    /// `{add, set, remove}`, or names and values to set.
    pub headers: Option<Map<String, Value>>,
    /// Whether the client's target is taken as it came instead of the normalised path.
    pub use_real_request_uri_unsafe: bool,
}
