//! A full set of resources at one revision, and the changes between two of them.

use std::sync::Arc;

use imbl::OrdMap;
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

    /// SHA-256 over every resource in key order, as lower-case hex. Two sets with the same
    /// resources have the same hash, whatever their revision.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        for resource in self.resources.values() {
            // Serialising a resource cannot fail: it holds only JSON values and strings.
            let bytes = serde_json::to_vec(resource.as_ref()).unwrap_or_default();
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(&bytes);
        }
        hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
