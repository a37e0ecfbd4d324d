//! Counters of one node, read by `/metrics`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of a [`Histogram`], in microseconds.
pub const BUCKETS_MICROS: [u64; 10] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000,
];

/// Live counters; shared by the parts of one node.
#[derive(Debug, Default)]
pub struct Metrics {
    proposals: AtomicU64,
    failed: AtomicU64,
    forwarded: AtomicU64,
    reads: AtomicU64,
    snapshots_built: AtomicU64,
    snapshots_installed: AtomicU64,
    disk_full: AtomicBool,
    flushes: [AtomicU64; BUCKETS_MICROS.len() + 1],
    flush_micros: AtomicU64,
}

/// Values at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Commands that callers of this node asked for.
    pub proposals: u64,
    /// Those that were not committed, as far as known.
    pub failed: u64,
    /// Those that were sent to the leader.
    pub forwarded: u64,
    /// Linearizable reads.
    pub reads: u64,
    /// Snapshots written by this node.
    pub snapshots_built: u64,
    /// Snapshots received from a leader.
    pub snapshots_installed: u64,
    /// Whether writes wait for space on the disk.
    pub disk_full: bool,
    /// Time of the commits of the log, fsync included.
    pub flush: Histogram,
}

/// Counts by size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts per bucket of [`BUCKETS_MICROS`], not cumulated; the last one is what is larger.
    pub buckets: Vec<u64>,
    /// Sum in microseconds.
    pub sum_micros: u64,
}

impl Metrics {
    pub(crate) fn proposed(&self) {
        self.proposals.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn forwarded(&self) {
        self.forwarded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot_built(&self) {
        self.snapshots_built.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot_installed(&self) {
        self.snapshots_installed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_disk_full(&self, full: bool) {
        self.disk_full.store(full, Ordering::Relaxed);
    }

    pub(crate) fn disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    pub(crate) fn flushed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.flushes.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.flush_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The values now.
    #[must_use]
    pub fn snapshot(&self) -> MetricsSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MetricsSnapshot {
            proposals: get(&self.proposals),
            failed: get(&self.failed),
            forwarded: get(&self.forwarded),
            reads: get(&self.reads),
            snapshots_built: get(&self.snapshots_built),
            snapshots_installed: get(&self.snapshots_installed),
            disk_full: self.disk_full(),
            flush: Histogram {
                buckets: self.flushes.iter().map(get).collect(),
                sum_micros: get(&self.flush_micros),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_times_fall_into_the_bucket_that_bounds_them() {
        let metrics = Metrics::default();
        for micros in [100, 101, 2_000_000] {
            metrics.flushed(Duration::from_micros(micros));
        }
        let flush = metrics.snapshot().flush;
        assert_eq!(flush.buckets, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(flush.sum_micros, 2_000_201);
    }
}
