//! The counting itself: requests of one key that are being served, and how long a place takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::limit::Room;
use crate::table::KeyState;

/// Requests of one key that are being served.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Count(u64);

impl KeyState for Count {
    fn idle_from(&self) -> Duration {
        if self.0 == 0 {
            Duration::ZERO
        } else {
            Duration::MAX
        }
    }
}

impl Count {
    /// Lets one request in: how many times `conn` is exceeded, or `None` when there is no room. A
    /// refusal changes nothing.
    pub(super) fn enter(&mut self, room: Room) -> Option<u64> {
        let after = self.0.saturating_add(1);
        let excess = excess(after, room)?;
        self.0 = after;
        Some(excess)
    }

    /// One request is over; whether none is left.
    pub(super) fn leave(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 == 0
    }
}

/// How many times `conn` is exceeded by the last of so many; `None` when it has no room.
pub(super) fn excess(active: u64, room: Room) -> Option<u64> {
    if active > room.conn.saturating_add(room.burst) {
        return None;
    }
    active.saturating_sub(1).checked_div(room.conn)
}

/// The time that a request waits for each time that `conn` is exceeded: follows what requests take,
/// unless it is fixed.
#[derive(Debug)]
pub(super) struct Unit(AtomicU64);

impl Unit {
    pub(super) fn new(first: Duration) -> Self {
        Self(AtomicU64::new(nanos(first)))
    }

    /// The delay of a request that exceeds `conn` so many times.
    pub(super) fn times(&self, excess: u64) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed).saturating_mul(excess))
    }

    /// A request took so long: the unit moves half of the way.
    pub(super) fn learn(&self, took: Duration) {
        let took = nanos(took);
        // A lost update of another worker is one sample less.
        let unit = self.0.load(Ordering::Relaxed);
        self.0.store(unit / 2 + took / 2, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn room(conn: u64, burst: u64) -> Room {
        Room { conn, burst }
    }

    #[test]
    fn the_wait_grows_each_time_conn_is_exceeded() {
        let mut count = Count::default();
        let entered: Vec<_> = (0..8).map(|_| count.enter(room(2, 4))).collect();
        let excess = [0, 0, 1, 1, 2, 2].map(Some);
        assert_eq!(entered[..6], excess);
        assert_eq!(entered[6..], [None, None]);
        assert!(!count.leave());
        assert_eq!(count.enter(room(2, 4)), Some(2));
    }

    #[test]
    fn one_that_leaves_without_having_entered_changes_nothing() {
        let mut count = Count::default();
        assert!(count.leave());
        assert_eq!(count, Count::default());
    }

    #[test]
    fn an_absurd_room_does_not_overflow() {
        assert_eq!(excess(u64::MAX, room(u64::MAX, u64::MAX)), Some(0));
        assert_eq!(excess(1, room(0, 1)), None);
        let unit = Unit::new(Duration::MAX);
        assert_eq!(unit.times(u64::MAX), Duration::from_nanos(u64::MAX));
        unit.learn(Duration::MAX);
    }

    #[test]
    fn the_unit_moves_half_of_the_way() {
        let unit = Unit::new(Duration::from_millis(100));
        unit.learn(Duration::from_millis(300));
        assert_eq!(unit.times(1), Duration::from_millis(200));
        assert_eq!(unit.times(3), Duration::from_millis(600));
    }
}
