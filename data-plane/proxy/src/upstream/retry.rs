//! Whether another node is asked after a failure: a decision, no I/O (objects.md section 8).

use std::time::Duration;

use http::Method;

use crate::error::{Reason, Retry};
use crate::origin::Failure;

/// Facts of a try that failed.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Method of the request as sent to the node.
    pub method: &'a Method,
    /// What happened.
    pub failure: Failure,
    /// Whether the request body can be sent from its beginning again.
    pub repeatable: bool,
    /// Further tries that the upstream allows.
    pub tries_left: u32,
    /// Time since the first try began.
    pub elapsed: Duration,
    /// Time in which tries may start; `None` means no limit.
    pub retry_timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Ask the next node.
    Next,
    /// Answer with this reason.
    GiveUp(Reason),
}

/// Whether the request may be sent once more after this failure, as far as the failure and the
/// request go. `body_whole` says that its body can be sent from its beginning again.
#[must_use]
pub fn may_repeat(method: &Method, failure: Failure, body_whole: bool) -> bool {
    let allowed = match failure.reason.retry() {
        Retry::No => false,
        Retry::Always => true,
        Retry::UnlessSent => !(failure.sent && is_unsafe_to_repeat(method)),
    };
    allowed && body_whole
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Decision {
    let failure = facts.failure;
    if !may_repeat(facts.method, failure, facts.repeatable) {
        return Decision::GiveUp(failure.reason);
    }
    if facts.tries_left == 0 {
        return Decision::GiveUp(failure.reason);
    }
    if facts
        .retry_timeout
        .is_some_and(|limit| facts.elapsed >= limit)
    {
        return Decision::GiveUp(Reason::RetryTimeout);
    }
    Decision::Next
}

/// Methods that are not repeated once sending has started.
fn is_unsafe_to_repeat(method: &Method) -> bool {
    *method == Method::POST || *method == Method::PATCH || method.as_str() == "LOCK"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(method: &Method, reason: Reason, sent: bool) -> Facts<'_> {
        Facts {
            method,
            failure: Failure {
                reason,
                sent,
                stale: false,
            },
            repeatable: true,
            tries_left: 1,
            elapsed: Duration::ZERO,
            retry_timeout: None,
        }
    }

    #[test]
    fn refused_connection_goes_to_the_next_node_whatever_the_method() {
        for method in [Method::GET, Method::POST] {
            let facts = facts(&method, Reason::ConnectRefused, false);
            assert_eq!(decide(&facts), Decision::Next);
        }
    }

    #[test]
    fn post_is_not_repeated_once_sending_started() {
        let sent = facts(&Method::POST, Reason::TimeoutRead, true);
        assert_eq!(decide(&sent), Decision::GiveUp(Reason::TimeoutRead));
        let get = facts(&Method::GET, Reason::TimeoutRead, true);
        assert_eq!(decide(&get), Decision::Next);
    }

    #[test]
    fn malformed_answer_is_never_repeated() {
        let facts = facts(&Method::GET, Reason::BadResponse, true);
        assert_eq!(decide(&facts), Decision::GiveUp(Reason::BadResponse));
    }

    #[test]
    fn consumed_body_forbids_another_try() {
        let mut facts = facts(&Method::PUT, Reason::SendFailed, true);
        facts.repeatable = false;
        assert_eq!(decide(&facts), Decision::GiveUp(Reason::SendFailed));
    }

    #[test]
    fn retry_timeout_ends_the_tries() {
        let mut facts = facts(&Method::GET, Reason::ConnectRefused, false);
        facts.retry_timeout = Some(Duration::from_secs(1));
        facts.elapsed = Duration::from_secs(1);
        assert_eq!(decide(&facts), Decision::GiveUp(Reason::RetryTimeout));
    }
}
