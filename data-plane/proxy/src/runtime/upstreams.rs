//! Upstreams that routes share: found by the resource that carries them, so that a change of one
//! costs the same whatever the number of its routes.

use std::sync::Arc;

use weir_model::Key;

use crate::router::hash;
use crate::router::table::Table;
use crate::upstream::runtime::UpstreamRuntime;

/// The name of a shared upstream, ready to be looked up.
#[derive(Debug, Clone)]
pub struct UpstreamName {
    /// The upstream object, or the service that carries it or lays something over it.
    pub key: Key,
    hash: u64,
}

impl UpstreamName {
    pub(super) fn new(key: Key) -> Self {
        let hash = hash::step(key.kind as u64, key.id.as_bytes());
        Self { key, hash }
    }
}

/// Upstreams by name. Persistent.
#[derive(Clone, Default)]
pub(super) struct SharedUpstreams {
    table: Table<(Key, Arc<UpstreamRuntime>)>,
}

impl SharedUpstreams {
    #[inline]
    pub(super) fn get(&self, name: &UpstreamName) -> Option<&Arc<UpstreamRuntime>> {
        let found = self.table.get(name.hash, |(key, _)| *key == name.key);
        found.map(|(_, upstream)| upstream)
    }

    /// Sets or takes out.
    pub(super) fn set(&mut self, name: &UpstreamName, upstream: Option<Arc<UpstreamRuntime>>) {
        let is = |(key, _): &(Key, Arc<UpstreamRuntime>)| *key == name.key;
        match upstream {
            None => {
                self.table.remove(name.hash, is);
            }
            Some(upstream) => match self.table.get_mut(name.hash, is) {
                Some((_, known)) => *known = upstream,
                None => self.table.insert(name.hash, (name.key.clone(), upstream)),
            },
        }
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<UpstreamRuntime>> {
        self.table.iter().map(|(_, upstream)| upstream)
    }
}
