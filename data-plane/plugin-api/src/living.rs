//! State that outlives a runtime: counters, buckets, metrics.
//!
//! A plugin asks for its state when it is compiled, by a key made of its name, its owner and its
//! configuration. The same key gives the same state again after any configuration change, as long
//! as somebody holds it; state that no runtime holds any more is dropped by [`Living::sweep`].

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Shelf = HashMap<String, Arc<dyn Any + Send + Sync>>;

/// How many shelves there are: one at a time is swept.
pub const SHELVES: usize = 32;

/// The shared state of one agent. Cheap to clone.
#[derive(Clone, Default)]
pub struct Living {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    shelves: [Mutex<Shelf>; SHELVES],
    hasher: RandomState,
    /// The shelf that is swept next.
    next: AtomicUsize,
}

impl Living {
    /// The state under `key`, made by `init` when there is none (or one of another type). `init` may
    /// ask for other state; when two callers make the same at once, the first one's is kept.
    pub fn get_or_init<T: Any + Send + Sync>(&self, key: &str, init: impl FnOnce() -> T) -> Arc<T> {
        if let Some(state) = self.get(key) {
            return state;
        }
        let state = Arc::new(init());
        let mut shelf = self.shelf(self.place(key));
        let known = shelf
            .get(key)
            .and_then(|any| Arc::clone(any).downcast::<T>().ok());
        if let Some(known) = known {
            return known;
        }
        shelf.insert(
            key.to_owned(),
            Arc::clone(&state) as Arc<dyn Any + Send + Sync>,
        );
        state
    }

    /// The state under `key`, if it exists and has this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self, key: &str) -> Option<Arc<T>> {
        let shelf = self.shelf(self.place(key));
        shelf
            .get(key)
            .and_then(|any| Arc::clone(any).downcast::<T>().ok())
    }

    /// Pieces of state that are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        (0..SHELVES).map(|number| self.shelf(number).len()).sum()
    }

    /// Drops state that nobody else holds. Call it after an old runtime is gone.
    pub fn sweep(&self) {
        for _ in 0..SHELVES {
            self.sweep_next();
        }
    }

    /// A part of [`Living::sweep`]: [`SHELVES`] calls in a row are a whole one, and hold up nobody
    /// for long.
    pub fn sweep_next(&self) {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let mut shelf = self.shelf(number % SHELVES);
        let left = shelf.extract_if(|_, state| Arc::strong_count(state) == 1);
        let left: Vec<_> = left.collect();
        drop(shelf);
        // What goes may hold much, or other state.
        drop(left);
    }

    /// The number of the shelf of a key.
    fn place(&self, key: &str) -> usize {
        // The low bits are as good as any on a machine with smaller words.
        self.shared.hasher.hash_one(key) as usize % SHELVES
    }

    fn shelf(&self, number: usize) -> MutexGuard<'_, Shelf> {
        // There is one for each number below `SHELVES`.
        let [first, ..] = &self.shared.shelves;
        let shelf = self.shared.shelves.get(number).unwrap_or(first);
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_same_key_gives_the_same_state() {
        let living = Living::default();
        let counter: Arc<AtomicU64> = living.get_or_init("a", AtomicU64::default);
        counter.fetch_add(1, Ordering::Relaxed);
        let again: Arc<AtomicU64> = living.get_or_init("a", AtomicU64::default);
        assert_eq!(again.load(Ordering::Relaxed), 1);
        let other: Arc<AtomicU64> = living.get_or_init("b", AtomicU64::default);
        assert_eq!(other.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn state_of_another_type_is_replaced() {
        let living = Living::default();
        let text = living.get_or_init("a", String::new);
        assert!(living.get::<u32>("a").is_none());
        assert_eq!(*living.get_or_init("a", || 7_u32), 7);
        assert!(living.get::<String>("a").is_none());
        drop(text);
    }

    #[test]
    fn making_state_may_ask_for_other_state() {
        let living = Living::default();
        let inner = living.clone();
        let outer = living.get_or_init("outer", || inner.get_or_init("inner", || 7_u32));
        assert_eq!(living.get::<u32>("inner").as_ref(), Some(&*outer));
    }

    #[test]
    fn a_sweep_drops_only_what_nobody_holds() {
        let living = Living::default();
        let held = living.get_or_init("held", || 1_u32);
        drop(living.get_or_init("left", || 2_u32));
        living.sweep();
        assert!(living.get::<u32>("left").is_none());
        assert_eq!(living.get::<u32>("held"), Some(held));
    }
}
