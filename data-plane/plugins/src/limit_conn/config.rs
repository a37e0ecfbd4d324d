//! Configuration of `limit-conn`.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::limit_req::KeyType;
use crate::redis::{Policy, RedisSettings};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Requests at a time that pass at once: above 0, or a template.
    pub conn: Option<Amount>,
    /// Requests beyond that are delayed rather than refused: 0 or more, or a template.
    pub burst: Option<Amount>,
    /// What is counted by: a variable or a template, as `key_type` says.
    pub key: Option<String>,
    /// How `key` is read.
    #[serde(default)]
    pub key_type: KeyType,
    /// Several limits instead of `conn`, `burst` and `key`; all are checked, in order.
    pub rules: Option<Vec<Rule>>,
    /// Seconds that a request waits for each time that `conn` is exceeded, above 0.
    pub default_conn_delay: f64,
    /// Whether that time stays as it is, rather than following what requests take.
    #[serde(default)]
    pub only_use_default_delay: bool,
    /// Status of a refusal, 200 to 599.
    #[serde(default = "rejected_code")]
    pub rejected_code: u16,
    /// Text of a refusal; without it the default page of the status.
    pub rejected_msg: Option<String>,
    /// Whether requests pass when the limit cannot be worked out.
    #[serde(default)]
    pub allow_degradation: bool,
    /// Where requests are counted.
    #[serde(default)]
    pub policy: Policy,
    /// Seconds after which a request is not counted in redis any more, should its end not be told.
    #[serde(default = "key_ttl")]
    pub key_ttl: i64,
    /// Settings of the redis policies.
    #[serde(flatten)]
    pub redis: RedisSettings,
}

/// One limit of `rules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Requests at a time that pass at once.
    pub conn: Amount,
    /// Requests beyond that are delayed.
    pub burst: Amount,
    /// Template of the key; the rule does not apply when nothing in it has a value.
    pub key: String,
}

const fn key_ttl() -> i64 {
    3600
}

const fn rejected_code() -> u16 {
    503
}
