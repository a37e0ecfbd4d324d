//! Texts that many routes repeat - hosts, names of parameters - kept once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Texts in use, at least, before the unused ones are looked for.
const PATIENCE: usize = 1024;

/// The texts of one runtime and those that come after it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    texts: HashSet<Arc<str>>,
    /// Number of texts at which the unused ones are dropped.
    limit: usize,
}

impl Names {
    /// The one copy of a text.
    pub(crate) fn of(&self, text: &str) -> Arc<str> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.texts.get(text) {
            return Arc::clone(name);
        }
        if known.texts.len() >= known.limit {
            known.texts.retain(|name| Arc::strong_count(name) > 1);
            known.limit = (known.texts.len() * 2).max(PATIENCE);
        }
        let name: Arc<str> = Arc::from(text);
        known.texts.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_dropped_when_nobody_uses_it() {
        let names = Names::default();
        let kept = names.of("kept");
        for number in 0..10 * PATIENCE {
            drop(names.of(&number.to_string()));
        }
        assert!(Arc::ptr_eq(&kept, &names.of("kept")));
        let known = names.known.lock().unwrap();
        assert!(known.texts.len() <= PATIENCE, "{}", known.texts.len());
    }
}
