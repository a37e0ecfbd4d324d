//! Settings that many upstreams have alike are kept once: most upstreams differ in their nodes
//! alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use weir_model::upstream::Upstream;

use super::transport::Transport;

/// How many different values are looked through.
const COMPARED: usize = 16;

/// What the upstreams of one runtime, and of those that come after it, have in common.
#[derive(Debug, Default)]
pub struct Alike {
    pub(super) settings: Recent<Upstream>,
    pub(super) transports: Recent<Transport>,
}

/// The values that were asked for last, as long as somebody has them.
#[derive(Debug)]
pub(super) struct Recent<T> {
    values: Mutex<VecDeque<Weak<T>>>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            values: Mutex::default(),
        }
    }
}

impl<T: PartialEq> Recent<T> {
    /// The one copy of a value; a new one when it was not asked for lately.
    pub(super) fn of(&self, value: T) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values.iter().enumerate().find_map(|(at, known)| {
            let known = known.upgrade().filter(|known| **known == value)?;
            Some((at, known))
        });
        let value = match known {
            Some((0, known)) => return known,
            Some((at, known)) => {
                values.remove(at);
                known
            }
            None => Arc::new(value),
        };
        values.push_front(Arc::downgrade(&value));
        values.truncate(COMPARED);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_while_somebody_has_them() {
        let recent = Recent::default();
        let kept = recent.of(7);
        let others: Vec<_> = (10..10 + COMPARED - 1)
            .map(|value| recent.of(value))
            .collect();
        assert!(Arc::ptr_eq(&kept, &recent.of(7)));
        assert!(Arc::ptr_eq(&kept, &recent.of(7)));
        drop(others);
        let values: Vec<_> = (100..100 + 2 * COMPARED)
            .map(|value| recent.of(value))
            .collect();
        assert!(!Arc::ptr_eq(&kept, &recent.of(7)), "too long ago");
        assert_eq!(recent.values.lock().unwrap().len(), COMPARED);
        drop(values);
    }
}
