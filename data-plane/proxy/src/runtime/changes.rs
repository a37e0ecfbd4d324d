//! What a new set of resources changes: the differences, and everything that is made of what
//! differs. Nothing else is looked at.

use std::collections::BTreeSet;

use imbl::ordmap::DiffItem;
use weir_model::endpoint::{EndpointKey, Endpoints, Place};
use weir_model::validate::pending_settings;
use weir_model::{Key, Kind, ResourceSet};

use super::parts::Parts;

/// The resources to compile anew.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// All of them.
    dirty: BTreeSet<Key>,
    /// Those whose plugins cannot be taken over: their documents changed, or what the plugins were
    /// compiled with.
    plugins: BTreeSet<Key>,
    /// Services whose upstream is compiled anew, though they may stay as they are for their routes.
    carriers: BTreeSet<Key>,
}

impl Changes {
    /// Compares `set`, `endpoints` and the `addresses` of names with what `parts` were compiled from,
    /// and brings up to date in `parts` what follows from documents alone. What was refused stays so
    /// until it, or something that it is made of, changes.
    pub(super) fn find(
        set: &ResourceSet,
        endpoints: &Endpoints,
        addresses: &Endpoints,
        parts: &mut Parts,
    ) -> Self {
        let mut changes = Self::default();
        let before = std::mem::replace(&mut parts.set, set.clone());
        for difference in before.resources.diff(&set.resources) {
            let (key, old, new) = match difference {
                DiffItem::Add(key, new) => (key, None, Some(new)),
                DiffItem::Remove(key, old) => (key, Some(old), None),
                DiffItem::Update { old, new } => (new.0, Some(old.1), Some(new.1)),
            };
            if let (Some(old), Some(new)) = (old, new)
                && old.spec == new.spec
                && old.created == new.created
            {
                continue;
            }
            parts.dependents.change(old, new);
            parts.askers.change(old, new);
            let pending = new.map(|new| pending_settings(key.kind, &new.spec));
            parts.pending.set(key, pending.unwrap_or_default());
            if key.kind == Kind::PluginMetadata {
                changes.plugins.extend(parts.owners_of(&key.id));
                // It may be what they were refused for.
                changes.plugins.extend(parts.refused.keys().cloned());
            }
            changes.plugins.insert(key.clone());
        }
        changes.dirty.clone_from(&changes.plugins);
        let known = std::mem::replace(&mut parts.endpoints, endpoints.clone());
        for lookup in known.differing(endpoints) {
            changes.endpoints(lookup, parts);
        }
        let known = std::mem::replace(&mut parts.addresses, addresses.clone());
        for lookup in known.differing(addresses) {
            changes.endpoints(lookup, parts);
        }
        changes.spread(parts);
        changes
    }

    /// Adds who asks for endpoints that changed. Routes find the upstreams of services and objects
    /// by name, so they stay.
    fn endpoints(&mut self, lookup: &EndpointKey, parts: &Parts) {
        for (key, place) in parts.askers.of(lookup) {
            match (place, key.kind) {
                (Place::Upstream, Kind::Service) => {
                    self.carriers.insert(key.clone());
                }
                (Place::Upstream, _) => {
                    self.dirty.insert(key.clone());
                }
                (Place::Plugin, _) => {
                    self.plugins.insert(key.clone());
                    self.dirty.insert(key.clone());
                }
            }
        }
    }

    /// Adds what is made of what changed.
    fn spread(&mut self, parts: &Parts) {
        let mut next: Vec<Key> = self.dirty.iter().cloned().collect();
        while let Some(key) = next.pop() {
            let mut dependents: Vec<Key> = parts.dependents.of(&key).cloned().collect();
            match key.kind {
                Kind::Consumer => dependents.extend(credentials_of(&key, parts)),
                // What plugins read of these is compiled into them.
                Kind::Ssl | Kind::Proto | Kind::Secret => {
                    self.plugins.extend(dependents.iter().cloned())
                }
                Kind::Upstream => {
                    let services = dependents.extract_if(.., |key| key.kind == Kind::Service);
                    self.carriers.extend(services);
                }
                _ => {}
            }
            for dependent in dependents {
                if self.dirty.insert(dependent.clone()) {
                    next.push(dependent);
                }
            }
        }
        self.carriers
            .extend(of_kind(&self.dirty, Kind::Service).cloned());
    }

    /// The resources of one kind that are to be compiled anew, in order.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Key> {
        of_kind(&self.dirty, kind)
    }

    /// The services whose upstream is to be compiled anew, or that are gone.
    pub(super) fn carriers(&self) -> impl Iterator<Item = &Key> {
        self.carriers.iter()
    }

    /// Whether there are any of these kinds.
    pub(super) fn touch(&self, kinds: &[Kind]) -> bool {
        kinds
            .iter()
            .any(|kind| self.of_kind(*kind).next().is_some())
    }

    /// Whether a resource needs its plugins compiled anew.
    pub(super) fn touch_plugins_of(&self, key: &Key) -> bool {
        self.plugins.contains(key)
    }
}

fn of_kind(keys: &BTreeSet<Key>, kind: Kind) -> impl Iterator<Item = &Key> {
    let from = keys.range(Key::new(kind, "")..);
    from.take_while(move |key| key.kind == kind)
}

/// The credentials of a consumer: what they identify holds parts of it.
fn credentials_of(consumer: &Key, parts: &Parts) -> Vec<Key> {
    let prefix = format!("{}/", consumer.id);
    let first = Key::new(Kind::Credential, prefix.as_str());
    let from = parts.credentials.range(first..);
    from.take_while(|(key, _)| key.id.starts_with(&prefix))
        .map(|(key, _)| key.clone())
        .collect()
}
