//! Configuration of `fault-injection`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// An answer instead of that of the node.
    pub abort: Option<Abort>,
    /// A wait before everything else.
    pub delay: Option<Delay>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// Status, 200 to 999.
    pub http_status: u32,
    /// Body, with variables; none is the page of the status.
    pub body: Option<String>,
    /// Headers, with variables in values.
    pub headers: Option<Map<String, Value>>,
    /// Share of the requests in percent; none is all.
    pub percentage: Option<u64>,
    /// Expressions, of which one is enough; none is always enough.
    pub vars: Option<Vec<Value>>,
}

/// A wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Seconds.
    pub duration: f64,
    /// Share of the requests in percent; none is all.
    pub percentage: Option<u64>,
    /// Expressions, of which one is enough; none is always enough.
    pub vars: Option<Vec<Value>>,
}
