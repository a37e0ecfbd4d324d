//! Configuration of `workflow`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Tried in order; the first whose case holds acts.
    pub rules: Vec<Rule>,
}

/// What is done with some requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Expression; none always holds.
    pub case: Option<Value>,
    /// Names and configurations of actions; only the first is run.
    pub actions: Vec<Vec<Value>>,
}
