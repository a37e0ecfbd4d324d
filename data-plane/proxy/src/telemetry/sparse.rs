//! Log lines that strangers can cause: some a second, and how many were left out.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Lines of one kind that a worker writes in a second.
const LINES: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// Says which lines are written.
#[derive(Debug, Default)]
pub struct Sparse {
    since: Cell<Option<Instant>>,
    written: Cell<u32>,
    left_out: Cell<u64>,
}

impl Sparse {
    /// Whether a line is written now; if so, how many were left out before it.
    #[must_use]
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let since = self.since.get();
        if since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            self.since.set(Some(now));
            self.written.set(0);
        }
        if self.written.get() >= LINES {
            self.left_out.set(self.left_out.get().saturating_add(1));
            return None;
        }
        self.written.set(self.written.get() + 1);
        Some(self.left_out.replace(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_tells_what_is_missing() {
        let (sparse, start) = (Sparse::default(), Instant::now());
        for _ in 0..LINES {
            assert_eq!(sparse.admit(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(sparse.admit(start + SECOND / 2), None);
        }
        assert_eq!(sparse.admit(start + SECOND), Some(7));
        assert_eq!(sparse.admit(start + SECOND), Some(0));
    }
}
