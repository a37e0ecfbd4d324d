//! Configuration of `circuit-breaker`.

use serde::{Deserialize, Serialize};

use crate::api_breaker::Header;

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What has a circuit of its own.
    pub scope: Scope,
    /// Seconds that are looked back on, above 0, at most 3600.
    pub window: f64,
    /// Requests in the window without which rates mean nothing, 1 or more.
    pub minimum_requests: u64,
    /// Failures in percent of the requests in the window that open it; 50 when nothing else opens it.
    pub error_rate: Option<f64>,
    /// Failures in a row that open it, 1 or more.
    pub consecutive_failures: Option<u64>,
    /// Slow requests in percent of the requests in the window that open it.
    pub slow_rate: Option<f64>,
    /// Seconds from which a request is slow; one that timed out is slow anyhow.
    pub slow_duration: f64,
    /// Statuses that are failures, 400 to 599; 502 and 504 stand for tries without an answer.
    pub failure_statuses: Vec<u16>,
    /// Seconds that it stays open.
    pub open_duration: f64,
    /// Requests that are let through to find out whether it may close, 1 or more.
    pub half_open_requests: u64,
    /// Status of an answer while it is open, 200 to 599.
    pub break_response_code: u16,
    /// Body of such an answer; none is the page of the status.
    pub break_response_body: Option<String>,
    /// Headers of such an answer, with variables in values; sent only with a body.
    pub break_response_headers: Option<Vec<Header>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scope: Scope::Route,
            window: 10.0,
            minimum_requests: 20,
            error_rate: None,
            consecutive_failures: None,
            slow_rate: None,
            slow_duration: 1.0,
            failure_statuses: vec![500, 502, 503, 504],
            open_duration: 30.0,
            half_open_requests: 3,
            break_response_code: 503,
            break_response_body: None,
            break_response_headers: None,
        }
    }
}

/// What has a circuit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each route.
    Route,
    /// Each node that is tried.
    Node,
}
