//! What batch processors hold and have lost, for metrics and for their bounds.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use weir_plugin_api::Living;

/// What a processor holds and has lost.
pub(super) struct Count {
    pub(super) name: String,
    pub(super) route_id: String,
    /// Entries that wait or are under way.
    pub(super) pending: AtomicUsize,
    /// Their bytes, where they have a size.
    pub(super) bytes: AtomicUsize,
    pub(super) dropped: AtomicU64,
}

impl Count {
    pub(super) fn new(name: &str, route_id: String) -> Self {
        Self {
            name: name.to_owned(),
            route_id,
            pending: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Takes room for an entry; false when there is none.
    pub(super) fn enter(&self, bytes: usize, limit: usize, most_bytes: usize) -> bool {
        if self.pending.fetch_add(1, Ordering::Relaxed) >= limit {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > most_bytes {
            self.leave(1, bytes);
            return false;
        }
        true
    }

    pub(super) fn leave(&self, entries: usize, bytes: usize) {
        self.pending.fetch_sub(entries, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// All processors of an agent, for its metrics.
#[derive(Default)]
pub(crate) struct Known(Mutex<Vec<Weak<Count>>>);

impl Known {
    const STATE: &'static str = "logging\0processors";

    pub(super) fn of(living: &Living) -> Arc<Self> {
        living.get_or_init(Self::STATE, Self::default)
    }

    pub(super) fn add(&self, count: &Arc<Count>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), &**count));
        known.push(Arc::downgrade(count));
    }

    /// Plugin, route, entries that wait, and entries dropped, of each.
    pub(crate) fn counts(living: &Living) -> Vec<(String, String, usize, u64)> {
        let Some(known) = living.get::<Self>(Self::STATE) else {
            return Vec::new();
        };
        let known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = known.iter().filter_map(Weak::upgrade);
        let mut counts: Vec<_> = alive
            .map(|count| {
                let pending = count.pending.load(Ordering::Relaxed);
                let dropped = count.dropped.load(Ordering::Relaxed);
                (count.name.clone(), count.route_id.clone(), pending, dropped)
            })
            .collect();
        counts.sort_unstable();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_bytes_are_bounded() {
        let count = Count::new("x", String::new());
        assert!(count.enter(6, 2, 10));
        assert!(!count.enter(5, 2, 10));
        assert!(count.enter(4, 2, 10));
        assert!(!count.enter(0, 2, 10));
        count.leave(2, 10);
        assert!(count.enter(10, 2, 10));
    }
}
