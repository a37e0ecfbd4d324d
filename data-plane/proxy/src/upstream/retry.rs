//! Whether another node is asked after a failure: a decision, no I/O (objects.md section 8).

use std::time::Duration;

use http::Method;

use crate::error::{Reason, Retry};
use crate::origin::h1::codec::Failure;

/// Facts of a try that failed.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
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
    /// Ask the same node on another connection, without counting.
    Replace,
    /// Ask the next node.
    Next,
    /// Answer with this reason.
    GiveUp(Reason),
}

/// Decides.
#[must_use]
pub fn decide(attempt: &Attempt<'_>) -> Decision {
    let failure = attempt.failure;
    let allowed = match failure.reason.retry() {
        Retry::No => false,
        Retry::Always => true,
        Retry::UnlessSent => !(failure.sent && is_unsafe_to_repeat(attempt.method)),
    };
    if !allowed || !attempt.repeatable {
        return Decision::GiveUp(failure.reason);
    }
    if failure.stale {
        return Decision::Replace;
    }
    if attempt.tries_left == 0 {
        return Decision::GiveUp(failure.reason);
    }
    if attempt
        .retry_timeout
        .is_some_and(|limit| attempt.elapsed >= limit)
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

    fn attempt(method: &Method, reason: Reason, sent: bool) -> Attempt<'_> {
        Attempt {
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
            let attempt = attempt(&method, Reason::ConnectRefused, false);
            assert_eq!(decide(&attempt), Decision::Next);
        }
    }

    #[test]
    fn post_is_not_repeated_once_sending_started() {
        let sent = attempt(&Method::POST, Reason::TimeoutRead, true);
        assert_eq!(decide(&sent), Decision::GiveUp(Reason::TimeoutRead));
        let get = attempt(&Method::GET, Reason::TimeoutRead, true);
        assert_eq!(decide(&get), Decision::Next);
    }

    #[test]
    fn malformed_answer_is_never_repeated() {
        let attempt = attempt(&Method::GET, Reason::BadResponse, true);
        assert_eq!(decide(&attempt), Decision::GiveUp(Reason::BadResponse));
    }

    #[test]
    fn consumed_body_forbids_another_try() {
        let mut attempt = attempt(&Method::PUT, Reason::SendFailed, true);
        attempt.repeatable = false;
        assert_eq!(decide(&attempt), Decision::GiveUp(Reason::SendFailed));
    }

    #[test]
    fn stale_connection_is_replaced_even_without_tries_left() {
        let mut attempt = attempt(&Method::GET, Reason::ResetBeforeHeader, true);
        attempt.failure.stale = true;
        attempt.tries_left = 0;
        assert_eq!(decide(&attempt), Decision::Replace);
    }

    #[test]
    fn retry_timeout_ends_the_tries() {
        let mut attempt = attempt(&Method::GET, Reason::ConnectRefused, false);
        attempt.retry_timeout = Some(Duration::from_secs(1));
        attempt.elapsed = Duration::from_secs(1);
        assert_eq!(decide(&attempt), Decision::GiveUp(Reason::RetryTimeout));
    }
}
