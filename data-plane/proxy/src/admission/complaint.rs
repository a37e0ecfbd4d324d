//! A line in the log about something that may happen very often: now and then, with a number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Least time between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// One thing that is complained of. Any thread may.
#[derive(Debug)]
pub struct Complaint {
    start: Instant,
    /// Milliseconds since the start, plus one; 0 before the first line.
    last: AtomicU64,
    since: AtomicU64,
}

impl Default for Complaint {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }
}

impl Complaint {
    /// Notes that it happened at `now`; says how often since the last line, when one is due.
    pub fn note(&self, now: Instant) -> Option<u64> {
        self.since.fetch_add(1, Ordering::Relaxed);
        let elapsed = now.saturating_duration_since(self.start).as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX - 1) + 1;
        let last = self.last.load(Ordering::Relaxed);
        let pause = PAUSE.as_millis() as u64;
        if last != 0 && elapsed < last.saturating_add(pause) {
            return None;
        }
        let mine = self
            .last
            .compare_exchange(last, elapsed, Ordering::Relaxed, Ordering::Relaxed);
        mine.ok().map(|_| self.since.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_few_lines_that_count_it() {
        let complaint = Complaint::default();
        let start = complaint.start;
        assert_eq!(complaint.note(start), Some(1));
        for millis in 1..100 {
            assert_eq!(complaint.note(start + Duration::from_millis(millis)), None);
        }
        assert_eq!(complaint.note(start + PAUSE), Some(100));
        assert_eq!(complaint.note(start + PAUSE), None);
    }
}
