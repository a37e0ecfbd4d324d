//! Configuration of `traffic-split`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tried in order; the first that matches chooses.
    pub rules: Vec<Rule>,
}

/// Where the requests go that match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// One of these is enough; none at all is always enough.
    #[serde(default, rename = "match")]
    pub matches: Vec<Match>,
    /// What is chosen from, 1 to 20 entries.
    #[serde(default = "own_only")]
    pub weighted_upstreams: Vec<WeightedUpstream>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Expression.
    pub vars: Option<Value>,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightedUpstream {
    /// An upstream object; a text or a number.
    pub upstream_id: Option<Value>,
    /// An upstream of its own, when `upstream_id` is not given.
    pub upstream: Option<Value>,
    /// Share, 0 or more. An entry with nothing else is the route's own upstream.
    #[serde(default = "one")]
    pub weight: u64,
}

const fn one() -> u64 {
    1
}

fn own_only() -> Vec<WeightedUpstream> {
    vec![WeightedUpstream {
        upstream_id: None,
        upstream: None,
        weight: one(),
    }]
}
