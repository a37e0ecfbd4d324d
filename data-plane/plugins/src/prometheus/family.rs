//! Metrics: families of series, their cells, and the registry that all workers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use weir_plugin_api::{CompileContext, Living};

use super::attributes::{Attributes, ExtraLabels};

/// Key of the registry among the living state.
const KEY: &str = "prometheus";

/// Upper bounds of the latency buckets when none are chosen, in milliseconds.
const BUCKETS: [f64; 15] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0,
    30_000.0, 60_000.0,
];

/// Series that one family may hold.
const CAPACITY: usize = 10_000;

/// A full family drops series that were not touched for this long.
const IDLE: Duration = Duration::from_secs(600);

/// Label values of one series, in the order of the family's label names.
pub(super) type Labels = Box<[Box<str>]>;

/// One series: its value, and when it last changed.
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
    /// The second after the one in which it was last looked for idle series; 0 is never.
    swept_secs: AtomicU64,
}

impl<C> Default for Family<C> {
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

impl<C> Family<C> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            series: RwLock::default(),
            capacity,
            swept_secs: AtomicU64::default(),
        }
    }

    /// The series with these labels, made when there is room.
    pub(super) fn get(&self, labels: &[impl AsRef<str>], now: Duration) -> Found<C>
    where
        C: Default,
    {
        self.get_or(labels, now, C::default)
    }

    /// The same with a cell that `make` gives.
    pub(super) fn get_or(
        &self,
        labels: &[impl AsRef<str>],
        now: Duration,
        make: impl FnOnce() -> C,
    ) -> Found<C> {
        let labels: Labels = labels
            .iter()
            .map(|value| Box::from(value.as_ref()))
            .collect();
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = series.get(&labels) {
            return Found::Series(Arc::clone(found));
        }
        let mut swept = false;
        if series.len() >= self.capacity {
            // Clients may choose labels: a full family is not looked through for each of theirs.
            let second = now.as_secs() + 1;
            if self.swept_secs.swap(second, Ordering::Relaxed) == second {
                return Found::Full;
            }
            let horizon = now.saturating_sub(IDLE).as_secs();
            series.retain(|_, one| one.touched_secs.load(Ordering::Relaxed) > horizon);
            swept = true;
            if series.len() >= self.capacity {
                return Found::Full;
            }
        }
        let new = Arc::new(Series {
            cell: make(),
            touched_secs: AtomicU64::default(),
        });
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

/// Upper bounds of buckets, in microseconds and as they are told: in milliseconds.
pub(super) struct Bounds {
    micros: Box<[u64]>,
    pub(super) told: Box<[Box<str>]>,
}

impl Bounds {
    fn new(milliseconds: &[f64]) -> Self {
        let each = milliseconds.iter();
        Self {
            micros: each
                .clone()
                .map(|ms| (ms * 1000.0).round() as u64)
                .collect(),
            told: each.map(|ms| Box::from(ms.to_string())).collect(),
        }
    }
}

/// A distribution of durations.
pub(super) struct Histogram {
    buckets: Box<[AtomicU64]>,
    above: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    fn new(bounds: &Bounds) -> Self {
        let buckets = bounds.micros.iter().map(|_| AtomicU64::default());
        Self {
            buckets: buckets.collect(),
            above: AtomicU64::default(),
            sum_micros: AtomicU64::default(),
        }
    }

    pub(super) fn observe(&self, time: Duration, bounds: &Bounds) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = bounds.micros.partition_point(|bound| *bound < micros);
        self.buckets
            .get(at)
            .unwrap_or(&self.above)
            .fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Cumulative counts per bucket, the count of all, and the sum in milliseconds.
    pub(super) fn read(&self) -> (Vec<u64>, u64, f64) {
        let mut total = 0;
        let buckets = self.buckets.iter();
        let counts = buckets.map(|bucket| {
            total += bucket.load(Ordering::Relaxed);
            total
        });
        let counts = counts.collect();
        total += self.above.load(Ordering::Relaxed);
        let micros = self.sum_micros.load(Ordering::Relaxed);
        (counts, total, micros as f64 / 1000.0)
    }
}

/// Times of the requests of one label set.
pub(super) struct Latency {
    pub(super) request: Histogram,
    pub(super) upstream: Histogram,
    pub(super) gateway: Histogram,
}

impl Latency {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            request: Histogram::new(bounds),
            upstream: Histogram::new(bounds),
            gateway: Histogram::new(bounds),
        }
    }
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
pub(super) struct Registry {
    /// Buckets of `latency`.
    pub(super) bounds: Bounds,
    pub(super) status_labels: ExtraLabels,
    pub(super) latency_labels: ExtraLabels,
    pub(super) bandwidth_labels: ExtraLabels,
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
    /// The registry of an agent, made by the first who asks.
    ///
    /// # Errors
    /// The attributes cannot be read.
    pub(super) fn of(context: &CompileContext<'_>) -> Result<Arc<Self>, String> {
        let attributes: Attributes = context.attributes.of(KEY)?;
        Ok(context.living.get_or_init(KEY, || Self::new(&attributes)))
    }

    /// The registry, if anybody has asked for it.
    pub(super) fn known(living: &Living) -> Option<Arc<Self>> {
        living.get(KEY)
    }

    fn new(attributes: &Attributes) -> Self {
        Self {
            bounds: Bounds::new(attributes.buckets().unwrap_or(&BUCKETS)),
            status_labels: attributes.labels_of("http_status"),
            latency_labels: attributes.labels_of("http_latency"),
            bandwidth_labels: attributes.labels_of("bandwidth"),
            status: Family::default(),
            latency: Family::default(),
            bandwidth: Family::default(),
            streams: Family::default(),
            stream_status: Family::default(),
            listeners: Family::default(),
            dropped: AtomicU64::default(),
            generation: AtomicU64::default(),
        }
    }

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
        let bounds = Bounds::new(&BUCKETS);
        let histogram = Histogram::new(&bounds);
        for time in [
            MS,
            MS * 2,
            Duration::from_micros(2001),
            MS * 60_000,
            MS * 60_001,
        ] {
            histogram.observe(time, &bounds);
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
        // Within a second it is looked for idle ones once.
        kept.touched_secs.store(0, Ordering::Relaxed);
        assert!(matches!(family.get(&["c"], start), Found::Full));
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
