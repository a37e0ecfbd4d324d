//! Configuration of `limit-count` and of its metadata.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::redis::{Policy, RedisSettings};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Requests allowed in a window: above 0, or a template.
    pub count: Option<Amount>,
    /// Length of a window in seconds: above 0, or a template.
    pub time_window: Option<Amount>,
    /// Several limits instead of `count` and `time_window`; all are checked, in order.
    pub rules: Option<Vec<Rule>>,
    /// Name of a counter shared by every place that uses this name.
    pub group: Option<String>,
    /// What is counted by: a variable, a template or a constant, as `key_type` says.
    pub key: String,
    /// How `key` is read.
    pub key_type: KeyType,
    /// How the window moves.
    pub window_type: WindowType,
    /// Status of a refusal, 200 to 599.
    pub rejected_code: u16,
    /// Text of a refusal; without it the default page of the status.
    pub rejected_msg: Option<String>,
    /// Where counts are kept.
    pub policy: Policy,
    /// Whether requests pass when the limit cannot be worked out.
    pub allow_degradation: bool,
    /// Whether the quota headers are sent.
    pub show_limit_quota_header: bool,
    /// Seconds between two bundles of counts that redis is told of, 0.1 or more and below the window;
    /// -1 is at every request.
    pub sync_interval: f64,
    /// Settings of the redis policies.
    #[serde(flatten)]
    pub redis: RedisSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            count: None,
            time_window: None,
            rules: None,
            group: None,
            key: "remote_addr".into(),
            key_type: KeyType::Var,
            window_type: WindowType::Fixed,
            rejected_code: 503,
            rejected_msg: None,
            policy: Policy::Local,
            allow_degradation: false,
            show_limit_quota_header: true,
            sync_interval: -1.0,
            redis: RedisSettings::default(),
        }
    }
}

/// One limit of `rules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Requests allowed in a window.
    pub count: Amount,
    /// Length of a window in seconds.
    pub time_window: Amount,
    /// Template of the key; the rule does not apply when nothing in it has a value.
    pub key: String,
    /// Part of the header names `X-<prefix>-RateLimit-Limit` and so on; default: the position.
    #[serde(default)]
    pub header_prefix: Option<String>,
}

/// How `key` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// One variable.
    Var,
    /// A template with several `$variables`.
    VarCombination,
    /// The text itself.
    Constant,
}

/// How a window moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowType {
    /// From the first request of a key for `time_window` seconds.
    Fixed,
    /// The previous window counts by the part of it that still overlaps.
    Sliding,
}

/// Names of the quota headers, from the plugin metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Header with the limit.
    pub limit_header: String,
    /// Header with what is left.
    pub remaining_header: String,
    /// Header with the seconds until the window ends.
    pub reset_header: String,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            limit_header: "X-RateLimit-Limit".into(),
            remaining_header: "X-RateLimit-Remaining".into(),
            reset_header: "X-RateLimit-Reset".into(),
        }
    }
}
