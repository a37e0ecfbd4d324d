//! Endpoints: what registries say about services. They belong to somebody else and change often,
//! so they are no resources: they have no revision, and are told apart by a hash of their content.

mod lookup;
mod set;

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

pub use lookup::{EndpointKey, GRACE, Lookup, Place, lookups, placed_lookups, plugin_names};
pub use set::{Endpoint, EndpointHash, EndpointSet, MAX_ENDPOINTS, TooMany};

/// The endpoint sets that are known, by what was looked up. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Endpoints {
    sets: OrdMap<EndpointKey, Arc<EndpointSet>>,
}

impl Endpoints {
    /// The set of one lookup; `None` while no registry has answered it.
    #[must_use]
    pub fn get(&self, key: &EndpointKey) -> Option<&Arc<EndpointSet>> {
        self.sets.get(key)
    }

    /// Puts a set; says whether that changed anything.
    pub fn insert(&mut self, key: EndpointKey, set: Arc<EndpointSet>) -> bool {
        let hash = set.hash();
        let before = self.sets.insert(key, set);
        before.is_none_or(|before| before.hash() != hash)
    }

    /// Forgets a lookup.
    pub fn remove(&mut self, key: &EndpointKey) {
        self.sets.remove(key);
    }

    /// All of them, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&EndpointKey, &Arc<EndpointSet>)> {
        self.sets.iter()
    }

    /// The lookups that have another answer in `other`, or none, or only there.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a EndpointKey> {
        let differences = self.sets.diff(&other.sets);
        differences.map(|difference| match difference {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
            DiffItem::Update { new: (key, _), .. } => key,
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

impl FromIterator<(EndpointKey, Arc<EndpointSet>)> for Endpoints {
    fn from_iter<I: IntoIterator<Item = (EndpointKey, Arc<EndpointSet>)>>(sets: I) -> Self {
        Self {
            sets: sets.into_iter().collect(),
        }
    }
}
