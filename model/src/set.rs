//! A full set of resources at one revision, and the changes between two of them.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use sha2::{Digest, Sha256};

use crate::resource::{Key, Kind, Resource, Revision};

/// All resources at one revision. Cloning is cheap: clones share structure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceSet {
    /// The revision that this set shows.
    pub revision: Revision,
    /// The resources, ordered by key.
    pub resources: OrdMap<Key, Arc<Resource>>,
}

/// Changes that lead from one revision to another, or a full set when `full` is true.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// The revision after the changes.
    pub revision: Revision,
    /// Replaces everything that was there before.
    pub full: bool,
    /// Resources added or changed, ordered by key.
    pub upserts: Vec<Arc<Resource>>,
    /// Keys removed, ordered; empty when `full`.
    pub removals: Vec<Key>,
}

impl ResourceSet {
    /// Looks one resource up.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Arc<Resource>> {
        self.resources.get(key)
    }

    /// All resources of one kind, ordered by id.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Resource>> {
        let first = Key::new(kind, "");
        self.resources
            .range(first..)
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(_, resource)| resource)
    }

    /// Keys of the resources that are others than in an older set, or are not there any more; ordered.
    #[must_use]
    pub fn changed_since(&self, older: &Self) -> Vec<Key> {
        let differences = older.resources.diff(&self.resources);
        let keys = differences.map(|difference| match difference {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key.clone(),
            DiffItem::Update { new, .. } => new.0.clone(),
        });
        keys.collect()
    }

    /// The set after `delta`. The receiver is unchanged, so that a change is taken whole or not.
    #[must_use]
    pub fn with(&self, delta: &Delta) -> Self {
        let mut resources = if delta.full {
            OrdMap::new()
        } else {
            self.resources.clone()
        };
        for key in &delta.removals {
            resources.remove(key);
        }
        for resource in &delta.upserts {
            resources.insert(resource.key.clone(), Arc::clone(resource));
        }
        Self {
            revision: delta.revision,
            resources,
        }
    }

    /// This set as a full delta.
    #[must_use]
    pub fn to_full_delta(&self) -> Delta {
        Delta {
            revision: self.revision,
            full: true,
            upserts: self.resources.values().cloned().collect(),
            removals: Vec::new(),
        }
    }

    /// Hash over every resource, as lower-case hex. Two sets with the same resources have the same
    /// hash, whatever their revision. Whoever asks again and again keeps a [`ContentHash`].
    #[must_use]
    pub fn content_hash(&self) -> String {
        ContentHash::default().of(self)
    }
}

/// The hash of a set, kept from one set to the next: only what differs is hashed.
///
/// It is the sum of the SHA-256 of every resource, so that one can be taken out again.
#[derive(Debug, Clone, Default)]
pub struct ContentHash {
    set: ResourceSet,
    sums: [u64; 4],
}

impl ContentHash {
    /// The hash of `set`.
    pub fn of(&mut self, set: &ResourceSet) -> String {
        let before = std::mem::replace(&mut self.set, set.clone());
        for difference in before.resources.diff(&set.resources) {
            let (old, new) = match difference {
                DiffItem::Add(_, new) => (None, Some(new)),
                DiffItem::Remove(_, old) => (Some(old), None),
                DiffItem::Update { old, new } => (Some(old.1), Some(new.1)),
            };
            if let Some(old) = old {
                self.change(old, u64::wrapping_sub);
            }
            if let Some(new) = new {
                self.change(new, u64::wrapping_add);
            }
        }
        let sums = self.sums.iter();
        sums.map(|sum| format!("{sum:016x}")).collect()
    }

    fn change(&mut self, resource: &Resource, change: fn(u64, u64) -> u64) {
        // Serialising a resource cannot fail: it holds only JSON values and strings.
        let bytes = serde_json::to_vec(resource).unwrap_or_default();
        let digest = Sha256::digest(&bytes);
        for (sum, bytes) in self.sums.iter_mut().zip(digest.chunks_exact(8)) {
            let number = bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte));
            *sum = change(*sum, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn resource(kind: Kind, id: u8, value: u8, revision: Revision) -> Arc<Resource> {
        Arc::new(Resource {
            key: Key::new(kind, id.to_string()),
            spec: Arc::new(json!({"desc": value.to_string()})),
            created: revision,
            modified: revision,
            create_time: 0,
            update_time: 0,
            expires_at_ms: None,
        })
    }

    fn full(resources: Vec<Arc<Resource>>) -> ResourceSet {
        ResourceSet::default().with(&Delta {
            revision: 1,
            full: true,
            upserts: resources,
            removals: Vec::new(),
        })
    }

    #[test]
    fn kinds_are_listed_apart() {
        let set = full(vec![
            resource(Kind::Route, 1, 0, 1),
            resource(Kind::Upstream, 1, 0, 1),
            resource(Kind::Route, 2, 0, 1),
        ]);
        let ids: Vec<&str> = set
            .of_kind(Kind::Route)
            .map(|found| &*found.key.id)
            .collect();
        assert_eq!(ids, ["1", "2"]);
        assert_eq!(set.of_kind(Kind::Ssl).count(), 0);
    }

    #[test]
    fn the_hash_is_of_the_content_only() {
        let set = full(vec![resource(Kind::Route, 1, 0, 1)]);
        let later = ResourceSet {
            revision: 99,
            ..set.clone()
        };
        assert_eq!(set.content_hash(), later.content_hash());
        let other = full(vec![resource(Kind::Route, 1, 1, 1)]);
        assert_ne!(set.content_hash(), other.content_hash());
    }

    proptest! {
        #[test]
        fn a_hash_that_is_kept_is_the_hash_of_the_set(
            changes in prop::collection::vec((0..5_u8, prop::option::of(any::<u8>())), 0..16),
        ) {
            let mut set = ResourceSet::default();
            let mut kept = ContentHash::default();
            for (id, value) in changes {
                let changed = resource(Kind::Route, id, value.unwrap_or_default(), 1);
                match value {
                    Some(_) => set.resources.insert(changed.key.clone(), changed),
                    None => set.resources.remove(&changed.key),
                };
                prop_assert_eq!(kept.of(&set), set.content_hash());
            }
        }

        #[test]
        fn a_full_delta_replaces_everything(
            before in prop::collection::vec((0..5_u8, any::<u8>()), 0..8),
            after in prop::collection::vec((0..5_u8, any::<u8>()), 0..8),
        ) {
            let set = |items: Vec<(u8, u8)>| {
                full(items.into_iter().map(|(id, value)| resource(Kind::Route, id, value, 1)).collect())
            };
            let (before, after) = (set(before), set(after));
            prop_assert_eq!(before.with(&after.to_full_delta()), after);
        }

        #[test]
        fn what_is_put_and_removed_is_gone(id in 0..5_u8, value in any::<u8>()) {
            let start = full(vec![resource(Kind::Route, 9, 0, 1)]);
            let added = resource(Kind::Route, id, value, 2);
            let put = start.with(&Delta { revision: 2, upserts: vec![Arc::clone(&added)], ..Delta::default() });
            prop_assert_eq!(put.get(&added.key), Some(&added));
            let removed = put.with(&Delta { revision: 3, removals: vec![added.key.clone()], ..Delta::default() });
            prop_assert_eq!(removed.resources, start.resources);
        }
    }
}
