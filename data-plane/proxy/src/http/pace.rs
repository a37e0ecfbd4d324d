//! The rate at which a request body must come at least: who sends a byte now and then holds a
//! connection, and a connection to a node, for as long as it likes.

use std::time::{Duration, Instant};

/// Measures one body. Only time in which the client is waited for counts: a node that takes the
/// body slowly is not the client's fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Bytes a second; 0 is no limit.
    rate: u64,
    grace: Duration,
    received: u64,
    waited: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// At least `rate` bytes a second, on average, once `grace` is over.
    pub(super) const fn new(rate: u64, grace: Duration) -> Self {
        Self {
            rate,
            grace,
            received: 0,
            waited: Duration::ZERO,
            since: None,
        }
    }

    /// Bytes have come.
    pub(super) fn received(&mut self, bytes: usize, now: Instant) {
        self.received += bytes as u64;
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }

    /// The client is waited for: how much longer it may take; `None` is no limit, zero is over.
    pub(super) fn left(&mut self, now: Instant) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let waited = self.waited + now.saturating_duration_since(since);
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / self.rate);
        Some(self.grace.max(earned).saturating_sub(waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_counts_and_bytes_buy_time() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut pace = Pace::new(100, second * 5);
        assert_eq!(pace.left(start), Some(second * 5));
        assert_eq!(pace.left(start + second * 2), Some(second * 3));
        pace.received(200, start + second * 2);
        // The node was waited for.
        assert_eq!(pace.left(start + second * 60), Some(second * 3));
        pace.received(500, start + second * 61);
        assert_eq!(pace.left(start + second * 70), Some(second * 4));
        assert_eq!(pace.left(start + second * 74), Some(Duration::ZERO));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut pace = Pace::new(0, Duration::ZERO);
        assert_eq!(pace.left(Instant::now()), None);
    }
}
