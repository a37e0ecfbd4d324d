//! What batch processors hold and have lost, for metrics and for their bounds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use weir_plugin_api::Living;

/// What a processor holds and has lost.
pub(super) struct Count {
    pub(super) plugin: &'static str,
    /// What an operator calls it.
    pub(super) name: String,
    pub(super) route_id: String,
    /// Address of ours that the first request came to.
    pub(super) server_addr: OnceLock<IpAddr>,
    /// Entries that wait or are under way.
    pub(super) pending: AtomicUsize,
    /// Their bytes, where they have a size.
    pub(super) bytes: AtomicUsize,
    pub(super) dropped: AtomicU64,
}

impl Count {
    pub(super) fn new(plugin: &'static str, name: &str, route_id: String) -> Self {
        Self {
            plugin,
            name: name.to_owned(),
            route_id,
            server_addr: OnceLock::new(),
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

/// What tells processors apart in metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels {
    pub(crate) name: String,
    pub(crate) route_id: String,
    /// Empty where no request is logged.
    pub(crate) server_addr: String,
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

    /// Entries that wait, and entries dropped, of those that have had any. Processors that no label
    /// tells apart, such as that of a configuration and of the one before it, are one.
    pub(crate) fn counts(living: &Living) -> BTreeMap<Labels, (usize, u64)> {
        let mut counts = BTreeMap::new();
        let Some(known) = living.get::<Self>(Self::STATE) else {
            return counts;
        };
        let known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        for count in known.iter().filter_map(Weak::upgrade) {
            let pending = count.pending.load(Ordering::Relaxed);
            let dropped = count.dropped.load(Ordering::Relaxed);
            let address = count.server_addr.get();
            if address.is_none() && pending == 0 && dropped == 0 {
                continue;
            }
            let labels = Labels {
                name: count.name.clone(),
                route_id: count.route_id.clone(),
                server_addr: address.map(ToString::to_string).unwrap_or_default(),
            };
            let sum: &mut (usize, u64) = counts.entry(labels).or_default();
            sum.0 += pending;
            sum.1 += dropped;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_bytes_are_bounded() {
        let count = Count::new("x", "x", String::new());
        assert!(count.enter(6, 2, 10));
        assert!(!count.enter(5, 2, 10));
        assert!(count.enter(4, 2, 10));
        assert!(!count.enter(0, 2, 10));
        count.leave(2, 10);
        assert!(count.enter(10, 2, 10));
    }

    #[test]
    fn processors_with_the_same_labels_are_one_and_silent_ones_none() {
        let living = Living::default();
        let known = Known::of(&living);
        let count = |route: &str| {
            let count = Arc::new(Count::new("syslog", "sys logger", route.into()));
            known.add(&count);
            count
        };
        let (old, new, silent) = (count("1"), count("1"), count("2"));
        for (count, dropped) in [(&old, 3), (&new, 4)] {
            count.server_addr.set("10.0.0.1".parse().unwrap()).unwrap();
            count.enter(0, 9, 9);
            count.dropped.store(dropped, Ordering::Relaxed);
        }
        let counts: Vec<_> = Known::counts(&living).into_iter().collect();
        let labels = Labels {
            name: "sys logger".into(),
            route_id: "1".into(),
            server_addr: "10.0.0.1".into(),
        };
        assert_eq!(counts, [(labels, (2, 7))]);
        drop(silent);
    }
}
