//! Whether another node is asked after a try, and after which pause: decisions, no I/O
//! (objects.md section 8).

use std::time::Duration;

use http::Method;
use weir_model::upstream::{RetryBackoff, RetryCondition, RetryOn};

use crate::error::{Reason, Retry};
use crate::origin::Failure;
use crate::origin::replay::Lost;

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Without an answer.
    Failed(Failure),
    /// With an answer of this status.
    Answered(u16),
}

/// Facts of a try that ended.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Method of the request as sent to the node.
    pub method: &'a Method,
    /// What the upstream wants repeated.
    pub on: &'a RetryOn,
    /// What happened.
    pub ended: Ended,
    /// Whether the request body can be sent from its beginning again; if not, why not.
    pub body: Result<(), Lost>,
    /// Further tries that the upstream allows.
    pub tries_left: u32,
    /// Time since the first try began.
    pub elapsed: Duration,
    /// The pause before the next try.
    pub pause: Duration,
    /// Time in which tries may start; `None` means no limit.
    pub retry_timeout: Option<Duration>,
}

/// Why no further try is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// What happened is not repeated: it never is, or the upstream does not want it.
    Final,
    /// The method may have had its effect: sending had begun.
    Method,
    /// The request body is no longer whole.
    Body(Lost),
    /// The upstream's `retries` are used up.
    Retries,
    /// `retry_timeout` is over, or would be after the pause.
    Time,
    /// The retry budget is used up.
    Budget,
    /// Every node has been tried, or takes no more.
    Nodes,
}

impl Stop {
    /// Name in the access log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Stop::Final => "final",
            Stop::Method => "method",
            Stop::Body(lost) => lost.as_str(),
            Stop::Retries => "retries",
            Stop::Time => "retry_timeout",
            Stop::Budget => "retry_budget",
            Stop::Nodes => "nodes",
        }
    }
}

/// Whether an answer of this status is one that the upstream wants repeated.
#[must_use]
pub fn wants_another(on: &RetryOn, status: u16) -> bool {
    on.statuses.contains(&status)
}

/// Whether a connection that had been closed meanwhile is replaced and the request sent once more,
/// without counting as a try. `body_whole` says that its body can be sent from its beginning.
#[must_use]
pub fn may_replace(on: &RetryOn, method: &Method, failure: Failure, body_whole: bool) -> bool {
    failure.stale && body_whole && (!failure.sent || may_repeat(on, method))
}

/// Decides whether another try may be made, as far as the request and the time go.
///
/// # Errors
/// Why not.
pub fn decide(facts: &Facts<'_>) -> Result<(), Stop> {
    let sent = match facts.ended {
        Ended::Answered(status) if !wants_another(facts.on, status) => return Err(Stop::Final),
        Ended::Answered(_) => true,
        Ended::Failed(failure) => match failure.reason.retry() {
            Retry::No => return Err(Stop::Final),
            _ if !facts.on.conditions.contains(&condition(failure.reason)) => {
                return Err(Stop::Final);
            }
            Retry::Always => false,
            Retry::UnlessSent => failure.sent,
        },
    };
    if sent && !may_repeat(facts.on, facts.method) {
        return Err(Stop::Method);
    }
    facts.body.map_err(Stop::Body)?;
    if facts.tries_left == 0 {
        return Err(Stop::Retries);
    }
    let start = facts.elapsed.saturating_add(facts.pause);
    if facts.retry_timeout.is_some_and(|limit| start >= limit) {
        return Err(Stop::Time);
    }
    Ok(())
}

/// The pause before retry `number`, which counts from 1: doubled each time, up to the longest. With
/// jitter it is a random part of that, at least half; `random` are 64 random bits.
#[must_use]
pub fn pause(backoff: Option<&RetryBackoff>, number: u32, random: u64) -> Duration {
    let Some(backoff) = backoff else {
        return Duration::ZERO;
    };
    let doubled = 2_u32.saturating_pow(number.saturating_sub(1));
    let whole = backoff.base.saturating_mul(doubled).min(backoff.max);
    if !backoff.jitter {
        return whole;
    }
    let share = random as f64 / u64::MAX as f64;
    whole.mul_f64(0.5 + share / 2.0)
}

/// In nginx' words: what `timeout` means ends with a 504, all else is an `error`.
fn condition(reason: Reason) -> RetryCondition {
    if reason.status() == http::StatusCode::GATEWAY_TIMEOUT {
        RetryCondition::Timeout
    } else {
        RetryCondition::Error
    }
}

/// Whether a request of this method is repeated although sending had begun.
#[must_use]
pub fn may_repeat(on: &RetryOn, method: &Method) -> bool {
    match &on.methods {
        Some(methods) => methods.iter().any(|known| known == method.as_str()),
        None => !matches!(method.as_str(), "POST" | "PATCH" | "LOCK"),
    }
}

#[cfg(test)]
mod tests;
