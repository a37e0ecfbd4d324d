//! A bounded table that forgets what was used longest ago.

use std::collections::{BTreeMap, HashMap};

/// Values by key, at most `capacity` of them.
#[derive(Debug)]
pub(super) struct Sessions<V> {
    capacity: usize,
    clock: u64,
    values: HashMap<u64, (u64, V)>,
    order: BTreeMap<u64, u64>,
}

impl<V> Sessions<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            clock: 0,
            values: HashMap::new(),
            order: BTreeMap::new(),
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

    /// Keeps a value; forgets the one used longest ago when the table is full.
    pub(super) fn put(&mut self, key: u64, value: V) {
        self.clock += 1;
        if let Some((used, _)) = self.values.insert(key, (self.clock, value)) {
            self.order.remove(&used);
        }
        self.order.insert(self.clock, key);
        while self.values.len() > self.capacity {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sessions;

    #[test]
    fn the_table_is_bounded_and_forgets_what_was_used_longest_ago() {
        let mut sessions = Sessions::new(3);
        for key in 0..3 {
            sessions.put(key, key);
        }
        assert!(sessions.get(0).is_some(), "used now: 1 is the oldest");
        sessions.put(3, 3);
        assert_eq!((sessions.values.len(), sessions.order.len()), (3, 3));
        assert!(sessions.get(1).is_none());
        assert!(sessions.get(0).is_some() && sessions.get(2).is_some());
        sessions.put(3, 33);
        assert_eq!((sessions.values.len(), sessions.order.len()), (3, 3));
        assert_eq!(sessions.get(3), Some(&mut 33));
    }
}
