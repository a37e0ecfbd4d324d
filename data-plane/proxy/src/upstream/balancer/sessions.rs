//! A bounded table of sessions that forgets what was used longest ago.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_plugin_api::Living;

/// Sizes and losses of all tables of an agent, for metrics.
#[derive(Debug, Default)]
pub struct Totals {
    size: AtomicU64,
    evictions: AtomicU64,
}

impl Totals {
    /// The totals of an agent.
    #[must_use]
    pub fn of(living: &Living) -> Arc<Self> {
        living.get_or_init("session-totals", Self::default)
    }

    /// Sessions that are remembered.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Sessions that were forgotten for lack of room.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

/// Values by key, at most `capacity` of them.
#[derive(Debug)]
pub(super) struct Sessions<V> {
    capacity: usize,
    clock: u64,
    values: HashMap<u64, (u64, V)>,
    order: BTreeMap<u64, u64>,
    totals: Arc<Totals>,
}

impl<V> Sessions<V> {
    pub(super) fn new(capacity: usize, totals: Arc<Totals>) -> Self {
        Self {
            capacity,
            clock: 0,
            values: HashMap::new(),
            order: BTreeMap::new(),
            totals,
        }
    }

    /// The value of `key`, marked as used.
    pub(super) fn get(&mut self, key: u64) -> Option<&mut V> {
        self.clock += 1;
        let (used, value) = self.values.get_mut(&key)?;
        self.order.remove(used);
        *used = self.clock;
        self.order.insert(self.clock, key);
        Some(value)
    }

    /// Keeps a value. Before that, forgets those used longest ago that are `idle`, and the one used
    /// longest ago when the table is full.
    pub(super) fn put(&mut self, key: u64, value: V, idle: impl Fn(&V) -> bool) {
        self.clock += 1;
        match self.values.insert(key, (self.clock, value)) {
            Some((used, _)) => {
                self.order.remove(&used);
            }
            None => {
                self.totals.size.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.order.insert(self.clock, key);
        while let Some((_, oldest)) = self.order.first_key_value() {
            let full = self.values.len() > self.capacity;
            let value = self.values.get(oldest).filter(|_| *oldest != key);
            if !full && !value.is_some_and(|(_, value)| idle(value)) {
                break;
            }
            if full {
                self.totals.evictions.fetch_add(1, Ordering::Relaxed);
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_first()
            && self.values.remove(&oldest).is_some()
        {
            self.totals.size.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<V> Drop for Sessions<V> {
    fn drop(&mut self) {
        let size = self.values.len() as u64;
        self.totals.size.fetch_sub(size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_forgets_what_was_used_longest_ago() {
        let totals = Arc::new(Totals::default());
        let mut sessions = Sessions::new(3, Arc::clone(&totals));
        let never = |_: &u64| false;
        for key in 0..3 {
            sessions.put(key, key, never);
        }
        assert!(sessions.get(0).is_some(), "used now: 1 is the oldest");
        sessions.put(3, 3, never);
        assert_eq!((sessions.values.len(), sessions.order.len()), (3, 3));
        assert!(sessions.get(1).is_none());
        assert!(sessions.get(0).is_some() && sessions.get(2).is_some());
        sessions.put(3, 33, never);
        assert_eq!((sessions.values.len(), sessions.order.len()), (3, 3));
        assert_eq!(sessions.get(3), Some(&mut 33));
        assert_eq!((totals.size(), totals.evictions()), (3, 1));
        drop(sessions);
        assert_eq!((totals.size(), totals.evictions()), (0, 1));
    }

    #[test]
    fn idle_sessions_go_without_being_counted_as_lost() {
        let totals = Arc::new(Totals::default());
        let mut sessions = Sessions::new(10, Arc::clone(&totals));
        for key in 0..5 {
            sessions.put(key, key, |_| false);
        }
        sessions.put(9, 9, |value| *value < 3);
        assert_eq!(sessions.values.len(), 3);
        assert_eq!((totals.size(), totals.evictions()), (3, 0));
    }
}
