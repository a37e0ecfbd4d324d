//! Configuration of `limit-req`.

use serde::{Deserialize, Serialize};

use crate::redis::{Policy, RedisSettings};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Requests per second, above 0.
    pub rate: f64,
    /// Requests above the rate that are delayed rather than refused, 0 or more.
    pub burst: f64,
    /// What is counted by: a variable or a template, as `key_type` says.
    pub key: String,
    /// How `key` is read.
    #[serde(default)]
    pub key_type: KeyType,
    /// Whether requests within the burst pass at once.
    #[serde(default)]
    pub nodelay: bool,
    /// Status of a refusal, 200 to 599.
    #[serde(default = "rejected_code")]
    pub rejected_code: u16,
    /// Text of a refusal; without it the default page of the status.
    #[serde(default)]
    pub rejected_msg: Option<String>,
    /// Where buckets are kept.
    #[serde(default)]
    pub policy: Policy,
    /// Whether requests pass when the limiter itself fails. The local limiter cannot fail.
    #[serde(default)]
    pub allow_degradation: bool,
    /// Settings of the redis policies.
    #[serde(flatten)]
    pub redis: RedisSettings,
}

const fn rejected_code() -> u16 {
    503
}

/// How `key` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// One variable.
    #[default]
    Var,
    /// A template with several `$variables`.
    VarCombination,
}
