//! How long a node that only real requests judge stays out (extensions.md): 30 s at first, twice as
//! long each time it fails again soon, 300 s at most; a little less at random, so that many agents
//! do not come back at once. A function of the time and a random number.

/// The first time.
const BASE_MS: u64 = 30_000;
/// The longest.
const CAP_MS: u64 = 300_000;
/// A node that was in for this long begins at the first time again.
const FORGET_MS: u64 = CAP_MS;
/// Percent of the time that are taken off at random, at most.
const JITTER_PERCENT: u64 = 10;

/// Ejections of one node so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ejections {
    in_a_row: u32,
    let_in_ms: Option<u64>,
}

impl Ejections {
    /// Ejects the node now; returns until when.
    pub(super) fn eject(&mut self, now_ms: u64, random: u64) -> u64 {
        let let_in_ms = self.let_in_ms.take();
        if let_in_ms.is_some_and(|at| now_ms.saturating_sub(at) >= FORGET_MS) {
            self.in_a_row = 0;
        }
        let time = BASE_MS
            .checked_shl(self.in_a_row)
            .map_or(CAP_MS, |time| time.min(CAP_MS));
        self.in_a_row = (self.in_a_row + 1).min(16);
        let jitter = random % (time * JITTER_PERCENT / 100 + 1);
        now_ms.saturating_add(time - jitter)
    }

    /// Lets the node in again.
    pub(super) fn let_in(&mut self, now_ms: u64) {
        self.let_in_ms = Some(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_double_up_to_the_cap_and_begin_anew_after_a_good_while() {
        let mut ejections = Ejections::default();
        let mut now = 1_000_000;
        let mut times = Vec::new();
        for _ in 0..6 {
            let until = ejections.eject(now, 0);
            times.push((until - now) / 1000);
            now = until;
            ejections.let_in(now);
        }
        assert_eq!(times, [30, 60, 120, 240, 300, 300]);
        now += FORGET_MS;
        assert_eq!(ejections.eject(now, 0) - now, BASE_MS);
    }

    #[test]
    fn jitter_takes_off_a_tenth_at_most() {
        for random in [0, 1, 2_999, 3_000, 3_001, u64::MAX] {
            let time = Ejections::default().eject(FORGET_MS, random) - FORGET_MS;
            assert!((27_000..=30_000).contains(&time), "{time}");
        }
    }
}
