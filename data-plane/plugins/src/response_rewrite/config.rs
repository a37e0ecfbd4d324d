//! Configuration of `response-rewrite`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Status to answer with, 200 to 598.
    pub status_code: Option<u16>,
    /// Body to answer with.
    pub body: Option<String>,
    /// Whether `body` is base64.
    pub body_base64: bool,
    /// `{add, set, remove}`, or names and values to set.
    pub headers: Option<Map<String, Value>>,
    /// Substitutions in the body, applied in order.
    pub filters: Option<Vec<Filter>>,
    /// The plugin acts only when this expression holds.
    pub vars: Option<Value>,
    /// Largest body in bytes that `filters` work on.
    pub max_resp_body_size: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            status_code: None,
            body: None,
            body_base64: false,
            headers: None,
            filters: None,
            vars: None,
            max_resp_body_size: 67_108_864,
        }
    }
}

/// One substitution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// What is looked for.
    pub regex: String,
    /// What takes its place; `$1` and so on are captures.
    pub replace: String,
    /// Whether the first match or every match is replaced.
    #[serde(default)]
    pub scope: Scope,
    /// Options of the expression: `i`, `m`, `s`, `x`; `j`, `o` and `u` change nothing.
    #[serde(default = "options")]
    pub options: String,
}

fn options() -> String {
    "jo".into()
}

/// How much is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The first match.
    #[default]
    Once,
    /// Every match.
    Global,
}
