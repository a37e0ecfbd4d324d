//! Limits of one try: between two events each, and over the whole try up to the head of its answer.

use std::time::{Duration, Instant};

use weir_model::field::timeout::Timeouts;

use crate::error::Reason;

/// Limits towards a node, and the client's while its body is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the connection to its end.
    pub connect: Duration,
    /// Between two successful writes to the node.
    pub send: Duration,
    /// Between two successful reads from the node; it starts when the request has been sent.
    pub read: Duration,
    /// Between two pieces of the client's body.
    pub client: Duration,
    /// When the head of the answer must be there; `None` is no limit.
    pub head_until: Option<Instant>,
}

impl Limits {
    /// The limits of a try: what route or upstream say, and the client's own.
    #[must_use]
    pub fn new(node: &Timeouts, client: Duration) -> Self {
        Self {
            connect: node.connect,
            send: node.send,
            read: node.read,
            client,
            head_until: None,
        }
    }

    /// The limits of a try that begins at `now` and may take `limit` up to the head of its answer.
    #[must_use]
    pub fn of_try(self, now: Instant, limit: Option<Duration>) -> Self {
        Self {
            head_until: limit.and_then(|limit| now.checked_add(limit)),
            ..self
        }
    }

    /// A limit that begins at `now`, cut at the end of the try.
    #[must_use]
    pub fn cut(&self, limit: Duration, now: Instant) -> Duration {
        self.head_until.map_or(limit, |until| {
            limit.min(until.saturating_duration_since(now))
        })
    }

    /// The limit that was reached at `now`: that of the whole try, or the one for `reason`.
    #[must_use]
    pub fn reached(&self, reason: Reason, now: Instant) -> Reason {
        match self.head_until {
            Some(until) if now >= until => Reason::TimeoutTry,
            _ => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_try_cuts_its_limits() {
        let second = Duration::from_secs(1);
        let limits = Limits::new(&Timeouts::default(), second);
        let start = Instant::now();
        assert_eq!(limits.cut(second * 9, start), second * 9);
        assert_eq!(
            limits.reached(Reason::TimeoutRead, start),
            Reason::TimeoutRead
        );
        let limits = limits.of_try(start, Some(second * 2));
        assert_eq!(limits.cut(second * 9, start + second), second);
        assert_eq!(limits.cut(second / 2, start + second), second / 2);
        assert_eq!(limits.cut(second, start + second * 3), Duration::ZERO);
        for (at, reason) in [
            (start + second, Reason::TimeoutRead),
            (start + second * 2, Reason::TimeoutTry),
        ] {
            assert_eq!(limits.reached(Reason::TimeoutRead, at), reason);
        }
    }
}
