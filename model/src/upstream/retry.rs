//! When a request is tried again: which failures, how often, after which pause.

use std::time::Duration;

use serde::Deserialize;

use crate::field::timeout;

/// Exponential pause between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RetryBackoff {
    /// First pause.
    #[serde(deserialize_with = "timeout::seconds")]
    pub base: Duration,
    /// Longest pause.
    #[serde(deserialize_with = "timeout::seconds")]
    pub max: Duration,
    /// Whether pauses are spread at random.
    pub jitter: bool,
}

impl Default for RetryBackoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(25),
            max: Duration::from_millis(250),
            jitter: true,
        }
    }
}

/// How many further tries an upstream bears, so that retries cannot become a storm.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub struct RetryBudget {
    /// Share of the active requests, in percent, 0 or more.
    pub percent: f64,
    /// What is allowed however few requests there are.
    pub min: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            percent: 20.0,
            min: 3,
        }
    }
}

/// A class of failures that lead to another try, in nginx' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryCondition {
    /// No connection, a failed handshake, or one that broke before an answer.
    Error,
    /// A limit of connecting, sending, reading or of the whole try.
    Timeout,
}

/// What leads to another try.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RetryOn {
    /// Failures.
    pub conditions: Vec<RetryCondition>,
    /// Statuses of answers, 400 to 599; they are passed on when no further try is allowed.
    pub statuses: Vec<u16>,
    /// Methods that are repeated although sending had begun; `None` is all but POST, PATCH, LOCK.
    pub methods: Option<Vec<String>>,
}

impl Default for RetryOn {
    /// `error timeout`, what APISIX's server has.
    fn default() -> Self {
        Self {
            conditions: vec![RetryCondition::Error, RetryCondition::Timeout],
            statuses: Vec::new(),
            methods: None,
        }
    }
}

/// A second try beside a slow first one; the answer that comes first is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Hedge {
    /// How long the tries under way may go without an answer.
    #[serde(deserialize_with = "timeout::seconds")]
    pub after: Duration,
    /// Tries added at most, one after another.
    #[serde(default = "one")]
    pub max: u32,
}

const fn one() -> u32 {
    1
}
