//! Configuration of `traffic-label`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Tried in order; the first that matches labels. At least one.
    pub rules: Vec<Rule>,
}

/// How the requests are labelled that match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Expression; none is always true.
    #[serde(rename = "match")]
    pub condition: Option<Value>,
    /// What is chosen from, at least one.
    pub actions: Vec<Action>,
}

/// One way to label a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Headers to set, with variables in values; none leaves the request as it is.
    pub set_headers: Option<Map<String, Value>>,
    /// Share, 1 or more.
    #[serde(default = "one")]
    pub weight: u64,
    /// Actions that are not known.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

const fn one() -> u64 {
    1
}
