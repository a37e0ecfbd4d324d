//! State per key, shared by all workers: counters and buckets of the limiting plugins.
//!
//! The table is split into shards, each behind a lock that is held for one small computation, so that
//! a limit is exact over all workers. Its size is bounded: idle entries are swept as the table grows,
//! and when everything is in use, the entries that would become idle first make room.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_plugin_api::Living;

const SHARDS: usize = 64;

/// Entries per table. At about 150 bytes each a full table takes 40 MB.
const CAPACITY: usize = 1 << 18;

/// State of one key. The default is the state of a key that was never seen.
pub(crate) trait KeyState: Default {
    /// Monotonic time from which on this state means the same as the default.
    fn idle_from(&self) -> Duration;
}

struct Shard<S> {
    entries: HashMap<Box<str>, S>,
    /// Number of entries at which idle ones are swept next.
    sweep_at: usize,
}

/// A bounded map from keys to states.
pub(crate) struct Table<S> {
    shards: Box<[Mutex<Shard<S>>]>,
    /// Chooses the shard, where a fast hash does: whoever could foresee it would gain nothing but a
    /// lock that is asked for more often.
    hasher: foldhash::fast::RandomState,
    shard_capacity: usize,
    evictions: Arc<Evictions>,
}

/// Live keys that all tables of an agent dropped because they were full.
#[derive(Default)]
pub(crate) struct Evictions(AtomicU64);

impl Evictions {
    const STATE: &'static str = "limit tables\u{0}evictions";

    fn shared(living: &Living) -> Arc<Self> {
        living.get_or_init(Self::STATE, Self::default)
    }

    /// How many there were so far.
    pub(crate) fn total(living: &Living) -> u64 {
        living
            .get::<Self>(Self::STATE)
            .map_or(0, |evictions| evictions.0.load(Ordering::Relaxed))
    }
}

impl<S: KeyState> Table<S> {
    /// The table under `state_key`, made when it does not exist.
    pub(crate) fn shared(living: &Living, state_key: &str) -> Arc<Self>
    where
        S: Send + 'static,
    {
        let evictions = Evictions::shared(living);
        living.get_or_init(state_key, || Self::with_capacity(CAPACITY, evictions))
    }

    fn with_capacity(capacity: usize, evictions: Arc<Evictions>) -> Self {
        let shard = || {
            Mutex::new(Shard {
                entries: HashMap::new(),
                sweep_at: 64,
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
            evictions,
        }
    }

    /// Changes the state of `key` in one atomic step.
    pub(crate) fn update<R>(
        &self,
        key: &str,
        now: Duration,
        change: impl FnOnce(&mut S) -> R,
    ) -> R {
        let Some(mut shard) = self.shard(key) else {
            // Not reachable: the index is below the number of shards.
            return change(&mut S::default());
        };
        if let Some(state) = shard.entries.get_mut(key) {
            return change(state);
        }
        self.make_room(&mut shard, now);
        change(shard.entries.entry(key.into()).or_default())
    }

    /// Looks at the state of `key`; `None` when there is none.
    pub(crate) fn peek<R>(&self, key: &str, look: impl FnOnce(&S) -> R) -> Option<R> {
        let shard = self.shard(key)?;
        shard.entries.get(key).map(look)
    }

    /// Changes the state of `key` if there is one, and drops it when `change` says so.
    pub(crate) fn change_known(&self, key: &str, change: impl FnOnce(&mut S) -> bool) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        if shard.entries.get_mut(key).is_some_and(change) {
            shard.entries.remove(key);
        }
    }

    /// The shard of a key, locked. There is one for each key.
    fn shard(&self, key: &str) -> Option<MutexGuard<'_, Shard<S>>> {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        let shard = self.shards.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Number of keys, idle ones included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard<S>>| shard.lock().unwrap().entries.len();
        self.shards.iter().map(count).sum()
    }

    fn make_room(&self, shard: &mut Shard<S>, now: Duration) {
        if shard.entries.len() < shard.sweep_at.min(self.shard_capacity) {
            return;
        }
        shard.entries.retain(|_, state| state.idle_from() > now);
        // Sweeping again only after the table doubled makes the cost constant per insertion.
        shard.sweep_at = (shard.entries.len() * 2).max(64);
        if shard.entries.len() < self.shard_capacity {
            return;
        }
        // An eighth at once, for the same reason.
        let mut ends: Vec<Duration> = shard.entries.values().map(KeyState::idle_from).collect();
        let last = (ends.len() / 8).min(ends.len().saturating_sub(1));
        let (_, &mut limit, _) = ends.select_nth_unstable(last);
        let before = shard.entries.len();
        let mut excess = last + 1;
        shard.entries.retain(|_, state| {
            let drop = excess > 0 && state.idle_from() <= limit;
            excess -= usize::from(drop);
            !drop
        });
        let gone = (before - shard.entries.len()) as u64;
        self.evictions.0.fetch_add(gone, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Until(Duration);

    impl KeyState for Until {
        fn idle_from(&self) -> Duration {
            self.0
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn table(capacity: usize) -> Table<Until> {
        Table::with_capacity(capacity, Arc::default())
    }

    #[test]
    fn a_key_keeps_its_state() {
        let table = table(CAPACITY);
        table.update("a", Duration::ZERO, |state| state.0 = SECOND);
        assert_eq!(table.update("a", Duration::ZERO, |state| state.0), SECOND);
        assert_eq!(
            table.update("b", Duration::ZERO, |state| state.0),
            Duration::ZERO
        );
    }

    #[test]
    fn idle_keys_are_swept_as_the_table_grows() {
        let table = table(CAPACITY);
        for number in 0..100_000_u32 {
            let now = SECOND * number;
            table.update(&number.to_string(), now, |state| state.0 = now + SECOND);
        }
        assert!(table.len() <= SHARDS * 65, "{} keys", table.len());
        assert_eq!(table.evictions.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_full_table_drops_what_ends_first_and_counts_it() {
        let table = table(SHARDS * 100);
        table.update("long", Duration::ZERO, |state| state.0 = SECOND * 100_000);
        for number in 0..50_000_u32 {
            let end = SECOND * (number + 1);
            table.update(&number.to_string(), Duration::ZERO, |state| state.0 = end);
        }
        assert!(table.len() <= SHARDS * 100, "{} keys", table.len());
        assert!(table.evictions.0.load(Ordering::Relaxed) > 40_000);
        let kept = table.update("long", Duration::ZERO, |state| state.0);
        assert_eq!(kept, SECOND * 100_000);
    }
}
