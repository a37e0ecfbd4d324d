//! How many requests a worker lets in when it cannot keep up: a share of them, found by how late
//! its own tasks run. A pure controller; the worker's heartbeat feeds it.

use std::time::{Duration, Instant};

/// Later than this, for `PATIENCE` samples in a row, is overload. A worker that is busy and not
/// overloaded gets round its tasks in a few milliseconds.
pub const TARGET: Duration = Duration::from_millis(100);
/// How often a worker's heartbeat is due.
pub const BEAT: Duration = Duration::from_millis(50);
/// Samples that must be late before it counts, half a second: less may be a burst, or the scheduler of
/// the machine.
const PATIENCE: u32 = 10;
/// Requests in flight on a worker that are always let in. Fewer are no overload that refusing
/// requests would help against.
pub const ALWAYS: u64 = 32;
/// Smallest share.
const FLOOR: f64 = 0.02;
/// Bounds of one step down.
const DOWN: (f64, f64) = (0.5, 0.95);
/// One step up.
const UP: f64 = 1.15;

/// The share of requests that are let in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    share: f64,
    late: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            share: 1.0,
            late: 0,
        }
    }
}

impl Share {
    /// The share, above 0 and up to 1.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.share
    }

    /// The share after another sample of lateness.
    #[must_use]
    pub fn after(self, lag: Duration) -> Self {
        if lag > TARGET {
            let late = self.late.saturating_add(1);
            if late < PATIENCE && self.share >= 1.0 {
                return Self { late, ..self };
            }
            let step = (TARGET.as_secs_f64() / lag.as_secs_f64()).clamp(DOWN.0, DOWN.1);
            return Self {
                share: (self.share * step).max(FLOOR),
                late,
            };
        }
        let share = if lag < TARGET / 2 {
            (self.share * UP).min(1.0)
        } else {
            self.share
        };
        Self { share, late: 0 }
    }

    /// Whether a request is let in that finds `in_flight` others on its worker. `random` is evenly
    /// spread over all numbers.
    #[must_use]
    pub fn admits(&self, in_flight: u64, random: u64) -> bool {
        self.share >= 1.0
            || in_flight < ALWAYS
            || (random >> 11) as f64 <= self.share * (1_u64 << 53) as f64
    }
}

/// The share with the times by which it is found: how late the last heartbeat was, and while the next
/// one is overdue, by how much.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    share: Share,
    due: Instant,
    sampled: Instant,
}

impl Pace {
    /// Everything is let in; the first heartbeat is due soon.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            share: Share::default(),
            due: now + BEAT,
            sampled: now,
        }
    }

    /// The share.
    #[must_use]
    pub fn share(&self) -> Share {
        self.share
    }

    /// After a heartbeat at `now` that was `late`.
    #[must_use]
    pub fn after_beat(self, now: Instant, late: Duration) -> Self {
        Self {
            share: self.share.after(late),
            due: now + BEAT,
            sampled: now,
        }
    }

    /// When a request comes: a heartbeat that is overdue need not be waited for.
    #[must_use]
    pub fn at_request(self, now: Instant) -> Self {
        let overdue = now.saturating_duration_since(self.due);
        if overdue <= TARGET || now.saturating_duration_since(self.sampled) < BEAT {
            return self;
        }
        Self {
            share: self.share.after(overdue),
            due: self.due,
            sampled: now,
        }
    }
}

#[cfg(test)]
mod tests;
