//! Metrics: families of series, their cells, and the registry that all workers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Upper bounds of the latency buckets, in milliseconds.
pub(super) const BUCKETS: [u64; 15] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000,
];

/// Series that one family may hold.
const CAPACITY: usize = 10_000;

/// A full family drops series that were not touched for this long.
const IDLE: Duration = Duration::from_secs(600);

/// Label values of one series, in the order of the family's label names.
pub(super) type Labels = Box<[Box<str>]>;

/// One series: its value, and when it last changed.
#[derive(Default)]
pub(super) struct Series<C> {
    pub(super) cell: C,
    touched_secs: AtomicU64,
}

impl<C> Series<C> {
    /// The cell, for a change at `now`.
    pub(super) fn touch(&self, now: Duration) -> &C {
        self.touched_secs.store(now.as_secs(), Ordering::Relaxed);
        &self.cell
    }
}

/// All series of one metric.
pub(super) struct Family<C> {
    series: RwLock<HashMap<Labels, Arc<Series<C>>>>,
    capacity: usize,
}

impl<C: Default> Default for Family<C> {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

/// What asking for a series gave.
pub(super) enum Found<C> {
    /// The series.
    Series(Arc<Series<C>>),
    /// The series, after idle ones were dropped: handles to other series may be stale.
    AfterSweep(Arc<Series<C>>),
    /// The family is full of series in use.
    Full,
}

impl<C: Default> Family<C> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            series: RwLock::default(),
            capacity,
        }
    }

    /// The series with these labels, made when there is room.
    pub(super) fn get(&self, labels: &[&str], now: Duration) -> Found<C> {
        let labels: Labels = labels.iter().map(|value| Box::from(*value)).collect();
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = series.get(&labels) {
            return Found::Series(Arc::clone(found));
        }
        let mut swept = false;
        if series.len() >= self.capacity {
            let horizon = now.saturating_sub(IDLE).as_secs();
            series.retain(|_, one| one.touched_secs.load(Ordering::Relaxed) > horizon);
            swept = true;
            if series.len() >= self.capacity {
                return Found::Full;
            }
        }
        let new = Arc::new(Series::default());
        new.touch(now);
        series.insert(labels, Arc::clone(&new));
        if swept {
            Found::AfterSweep(new)
        } else {
            Found::Series(new)
        }
    }

    /// Every series, ordered by labels.
    pub(super) fn sorted(&self) -> Vec<(Labels, Arc<Series<C>>)> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = series
            .iter()
            .map(|(labels, one)| (labels.clone(), Arc::clone(one)))
            .collect();
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        all
    }
}

/// A distribution of durations.
#[derive(Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS.len()],
    above: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = BUCKETS.partition_point(|bound| bound * 1000 < micros);
        self.buckets
            .get(at)
            .unwrap_or(&self.above)
            .fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Cumulative counts per bucket, the count of all, and the sum in milliseconds.
    pub(super) fn read(&self) -> ([u64; BUCKETS.len()], u64, f64) {
        let mut total = 0;
        let counts = self.buckets.each_ref().map(|bucket| {
            total += bucket.load(Ordering::Relaxed);
            total
        });
        total += self.above.load(Ordering::Relaxed);
        let micros = self.sum_micros.load(Ordering::Relaxed);
        (counts, total, micros as f64 / 1000.0)
    }
}

/// Times of the requests of one label set.
#[derive(Default)]
pub(super) struct Latency {
    pub(super) request: Histogram,
    pub(super) upstream: Histogram,
    pub(super) gateway: Histogram,
}

/// Bytes of the requests of one label set.
#[derive(Default)]
pub(super) struct Bandwidth {
    pub(super) ingress: AtomicU64,
    pub(super) egress: AtomicU64,
}

/// What goes over one listener for streams.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) open: AtomicU64,
    pub(super) bytes: Bandwidth,
}

/// The metrics of one agent. It outlives every runtime.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) status: Family<AtomicU64>,
    pub(super) latency: Family<Latency>,
    pub(super) bandwidth: Family<Bandwidth>,
    /// Streams that are over, by stream route.
    pub(super) streams: Family<AtomicU64>,
    /// Streams that are over, by [`super::stream::STATUS_LABELS`].
    pub(super) stream_status: Family<AtomicU64>,
    /// Bytes of streams, and how many are open, by address of the listener.
    pub(super) listeners: Family<Listening>,
    /// Changes of a label set that found no room.
    pub(super) dropped: AtomicU64,
    /// Counts sweeps: a cached handle is good while this stays the same.
    pub(super) generation: AtomicU64,
}

impl Registry {
    /// Unwraps what a family found, and accounts for it.
    pub(super) fn accept<C>(&self, found: Found<C>) -> Option<Arc<Series<C>>> {
        match found {
            Found::Series(series) => Some(series),
            Found::AfterSweep(series) => {
                self.generation.fetch_add(1, Ordering::Relaxed);
                Some(series)
            }
            Found::Full => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_duration_counts_in_its_bucket_and_all_above() {
        let histogram = Histogram::default();
        for time in [
            MS,
            MS * 2,
            Duration::from_micros(2001),
            MS * 60_000,
            MS * 60_001,
        ] {
            histogram.observe(time);
        }
        let (counts, total, sum) = histogram.read();
        assert_eq!(counts[..4], [1, 2, 3, 3]);
        assert_eq!(counts[14], 4);
        assert_eq!(total, 5);
        assert_eq!(sum, 120_006.001);
    }

    #[test]
    fn a_full_family_refuses_until_series_are_idle() {
        let family = Family::<AtomicU64>::with_capacity(2);
        let start = Duration::from_secs(1000);
        assert!(matches!(family.get(&["a"], start), Found::Series(_)));
        assert!(matches!(family.get(&["b"], start), Found::Series(_)));
        assert!(matches!(family.get(&["c"], start), Found::Full));
        assert!(matches!(family.get(&["a"], start), Found::Series(_)));
        let Found::Series(kept) = family.get(&["a"], start) else {
            panic!("it exists");
        };
        kept.touch(start + IDLE);
        let later = start + IDLE + MS;
        assert!(matches!(family.get(&["c"], later), Found::AfterSweep(_)));
        let names: Vec<_> = family
            .sorted()
            .into_iter()
            .map(|(l, _)| l[0].clone())
            .collect();
        assert_eq!(names, ["a".into(), "c".into()] as [Box<str>; 2]);
    }
}
