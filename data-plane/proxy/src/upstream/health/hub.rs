//! What all health checks of an agent share: a number that tells that some node flipped, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_plugin_api::Living;

use super::state::Signal;

/// Shared by all targets; found in [`Living`].
#[derive(Debug, Default)]
pub struct Hub {
    flips: AtomicU64,
    changes: AtomicU64,
    to_healthy: AtomicU64,
    to_unhealthy: AtomicU64,
    probes: [AtomicU64; 5],
}

/// Results of probes, in the order of [`Counts::probes`].
const RESULTS: [&str; 5] = [
    "success",
    "http_failure",
    "tcp_failure",
    "timeout",
    "ignored",
];

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nodes that became healthy.
    pub to_healthy: u64,
    /// Nodes that became unhealthy.
    pub to_unhealthy: u64,
    /// Probes by result.
    pub probes: Vec<(&'static str, u64)>,
}

impl Hub {
    /// The hub of an agent.
    #[must_use]
    pub fn of(living: &Living) -> Arc<Self> {
        living.get_or_init("health-hub", Self::default)
    }

    /// Grows when nodes come into or go out of use: selections made before are old then.
    #[must_use]
    pub fn flips(&self) -> u64 {
        self.flips.load(Ordering::Acquire)
    }

    /// Grows with every change that a report shows.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counts {
            to_healthy: read(&self.to_healthy),
            to_unhealthy: read(&self.to_unhealthy),
            probes: RESULTS
                .into_iter()
                .zip(self.probes.iter().map(read))
                .collect(),
        }
    }

    /// The set of usable nodes changed for another cause than a flip.
    pub(super) fn moved(&self) {
        self.flips.fetch_add(1, Ordering::Release);
        self.changed();
    }

    pub(super) fn flipped(&self, healthy: bool) {
        let count = if healthy {
            &self.to_healthy
        } else {
            &self.to_unhealthy
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.moved();
    }

    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(super) fn probed(&self, signal: Option<Signal>) {
        let index = signal.map_or(RESULTS.len() - 1, |signal| signal as usize);
        if let Some(count) = self.probes.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
