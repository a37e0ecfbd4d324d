//! What compilation found.

use std::sync::Arc;

use imbl::OrdMap;
use weir_model::{Key, Problem};

/// Problems by resource, ordered. Cheap to clone: a report does not copy what did not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    problems: OrdMap<Key, Arc<[Problem]>>,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Every problem with its resource.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Problem)> {
        let found = self.problems.iter();
        found.flat_map(|(key, problems)| problems.iter().map(move |problem| (key, problem)))
    }

    /// Sets what was found about one resource.
    pub(super) fn set(&mut self, key: &Key, problems: Vec<Problem>) {
        if problems.is_empty() {
            self.problems.remove(key);
        } else {
            self.problems.insert(key.clone(), problems.into());
        }
    }

    /// Adds to what was found about one resource.
    pub fn add(&mut self, key: &Key, problem: Problem) {
        let known = self.problems.get(key).map(Arc::as_ref);
        let problems = known.unwrap_or_default().iter().cloned();
        let problems = problems.chain([problem]).collect();
        self.problems.insert(key.clone(), problems);
    }

    /// The resources about which something was found.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.problems.keys()
    }
}

/// What compilation found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Resources that could not be used: they keep their last good form, or are left out.
    pub refused: Findings,
    /// Settings that are stored but not acted on.
    pub pending: Findings,
    /// Routes taken over from the previous runtime as they are.
    pub reused: usize,
    /// Routes compiled anew.
    pub rebuilt: usize,
}
