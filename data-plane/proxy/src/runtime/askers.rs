//! Who asks registries for what: which resources are compiled anew when endpoints change.

use std::sync::Arc;

use imbl::OrdSet;
use weir_model::endpoint::{EndpointKey, Place, placed_lookups};
use weir_model::{Key, Kind, Resource};

/// Lookups with the resources that ask for them, and where in their documents. Persistent.
#[derive(Debug, Clone, Default)]
pub(super) struct Askers {
    asking: OrdSet<(EndpointKey, Key, Place)>,
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
