//! Who asks for what, registries or name servers: which resources are compiled anew when endpoints
//! or addresses change.

use std::sync::Arc;

use imbl::OrdSet;
use weir_model::endpoint::{EndpointKey, Lookup, Place, placed_lookups, plugin_names};
use weir_model::{Key, Kind, Resource};

/// Lookups with the resources that ask for them, and where in their documents. Persistent.
#[derive(Debug, Clone, Default)]
pub(super) struct Askers {
    asking: OrdSet<(EndpointKey, Key, Place)>,
    /// Those of them that are names, as they are asked for.
    names: OrdSet<(Lookup, Key, Place)>,
}

fn asking(resource: &Resource) -> impl Iterator<Item = (EndpointKey, Key, Place)> + '_ {
    let found = placed_lookups(resource.key.kind, &resource.spec).into_iter();
    found.map(|(place, lookup)| (lookup.key(), resource.key.clone(), place))
}

impl Askers {
    /// Notes that a resource changed from `old` to `new`.
    pub(super) fn change(&mut self, old: Option<&Arc<Resource>>, new: Option<&Arc<Resource>>) {
        for asks in old.into_iter().flat_map(|old| asking(old)) {
            self.asking.remove(&asks);
        }
        for asks in new.into_iter().flat_map(|new| asking(new)) {
            self.asking.insert(asks);
        }
        let inside = |resource: &Arc<Resource>| plugin_names(&resource.spec);
        let (before, after) = (old.map(inside), new.map(inside));
        if let Some(key) = old.or(new).map(|resource| &resource.key) {
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            self.named(key, Place::Plugin, &before, &after);
        }
    }

    /// Notes that the names among the nodes of what a resource carries at `place` changed.
    pub(super) fn named(&mut self, key: &Key, place: Place, old: &[Lookup], new: &[Lookup]) {
        for name in old {
            self.asking.remove(&(name.key(), key.clone(), place));
            self.names.remove(&(name.clone(), key.clone(), place));
        }
        for name in new {
            self.asking.insert((name.key(), key.clone(), place));
            self.names.insert((name.clone(), key.clone(), place));
        }
    }

    /// The names, each once.
    pub(super) fn names(&self) -> impl Iterator<Item = &Lookup> {
        let mut last = None;
        let names = self.names.iter().map(|(name, _, _)| name);
        names.filter(move |name| last.replace(*name) != Some(*name))
    }

    /// The resources that ask for `lookup`.
    pub(super) fn of<'a>(
        &'a self,
        lookup: &'a EndpointKey,
    ) -> impl Iterator<Item = (&'a Key, Place)> {
        // No kind stands before this one, and no id before the empty one.
        let first = Key::new(Kind::Route, "");
        let from = self
            .asking
            .range((lookup.clone(), first, Place::Upstream)..);
        let of_lookup = from.take_while(move |(asked, _, _)| asked == lookup);
        of_lookup.map(|(_, key, place)| (key, *place))
    }
}
