//! The leaky bucket of one key.

use std::time::Duration;

use crate::table::KeyState;

/// How fast a bucket leaks and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    /// Requests per second, above 0.
    pub(super) rate: f64,
    /// Requests above the rate that find room.
    pub(super) burst: f64,
}

/// Requests that are ahead of the rate, and since when.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Bucket {
    state: Option<Level>,
}

#[derive(Debug, Clone, PartialEq)]
struct Level {
    excess: f64,
    last: Duration,
    /// When the bucket is so empty that the next request is like a first one.
    empty: Duration,
}

impl KeyState for Bucket {
    fn idle_from(&self) -> Duration {
        self.state
            .as_ref()
            .map_or(Duration::ZERO, |level| level.empty)
    }
}

impl Bucket {
    /// Lets one request in: how long it has to wait, or `None` when the bucket is full. A refusal
    /// changes nothing.
    pub(super) fn arrive(&mut self, now: Duration, shape: Shape) -> Option<Duration> {
        let (excess, last) = match &self.state {
            None => (0.0, now),
            Some(level) => {
                // A worker that read the clock earlier may come later: no time has passed for it.
                let now = now.max(level.last);
                let elapsed = (now - level.last).as_secs_f64();
                let excess = (level.excess - shape.rate * elapsed + 1.0).max(0.0);
                (excess, now)
            }
        };
        if excess > shape.burst {
            return None;
        }
        let wait = seconds((excess + 1.0) / shape.rate);
        self.state = Some(Level {
            excess,
            last,
            empty: last.saturating_add(wait),
        });
        Some(seconds(excess / shape.rate))
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn shape(rate: f64, burst: f64) -> Shape {
        Shape { rate, burst }
    }

    #[test]
    fn the_first_request_passes_at_once_and_the_next_ones_wait() {
        let mut bucket = Bucket::default();
        let shape = shape(10.0, 2.0);
        assert_eq!(bucket.arrive(ms(0), shape), Some(ms(0)));
        assert_eq!(bucket.arrive(ms(0), shape), Some(ms(100)));
        assert_eq!(bucket.arrive(ms(0), shape), Some(ms(200)));
        assert_eq!(bucket.arrive(ms(0), shape), None);
    }

    #[test]
    fn a_refusal_does_not_change_the_state() {
        let mut bucket = Bucket::default();
        let shape = shape(1.0, 0.0);
        assert!(bucket.arrive(ms(0), shape).is_some());
        let before = bucket.clone();
        assert_eq!(bucket.arrive(ms(500), shape), None);
        assert_eq!(bucket, before);
        assert!(bucket.arrive(ms(1000), shape).is_some());
    }

    #[test]
    fn an_idle_bucket_is_like_a_new_one() {
        let mut bucket = Bucket::default();
        let shape = shape(10.0, 5.0);
        for _ in 0..6 {
            bucket.arrive(ms(0), shape);
        }
        let idle = bucket.idle_from();
        assert_eq!(idle, ms(600));
        assert_eq!(bucket.arrive(idle, shape), Some(ms(0)));
    }

    proptest! {
        /// In any span of t seconds at most 1 + burst + rate * t requests are let in.
        #[test]
        fn no_span_admits_more_than_rate_and_burst(
            gaps in prop::collection::vec(0_u64..300, 1..150),
            rate in 1_u32..20,
            burst in 0_u32..10,
        ) {
            let shape = shape(f64::from(rate), f64::from(burst));
            let mut bucket = Bucket::default();
            let mut now = Duration::ZERO;
            let mut admitted = Vec::new();
            for gap in gaps {
                now += ms(gap);
                if let Some(delay) = bucket.arrive(now, shape) {
                    prop_assert!(delay.as_secs_f64() <= shape.burst / shape.rate + 1e-9);
                    admitted.push(now);
                }
            }
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let span = (*to - *from).as_secs_f64();
                    let bound = 1.0 + shape.burst + shape.rate * span;
                    prop_assert!((last - first + 1) as f64 <= bound + 1e-6);
                }
            }
        }
    }
}
