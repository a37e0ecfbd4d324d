//! Who is made of whom: which resources are compiled anew when one changes.

use std::sync::Arc;

use imbl::OrdSet;
use weir_model::references::references;
use weir_model::{Key, Kind, Resource};

/// Pairs of a resource and one that is made of it. Persistent.
#[derive(Debug, Clone, Default)]
pub(super) struct Dependents {
    pairs: OrdSet<(Key, Key)>,
}

/// Whether a resource of the kind `from` is compiled anew when one of the kind `of`, which it
/// names, changes. Routes do not hold upstream objects: they look them up.
fn is_made_of(from: Kind, of: Kind) -> bool {
    match of {
        Kind::Upstream => from == Kind::Service,
        Kind::Service => matches!(from, Kind::Route | Kind::StreamRoute),
        Kind::PluginConfig => from == Kind::Route,
        Kind::ConsumerGroup => from == Kind::Consumer,
        Kind::Ssl | Kind::Proto | Kind::Secret => true,
        _ => false,
    }
}

fn pairs(resource: &Resource) -> impl Iterator<Item = (Key, Key)> + '_ {
    let found = references(resource.key.kind, &resource.spec).into_iter();
    let made_of = found.filter(|found| is_made_of(resource.key.kind, found.target.kind));
    made_of.map(|found| (found.target, resource.key.clone()))
}

impl Dependents {
    /// Notes that a resource changed from `old` to `new`.
    pub(super) fn change(&mut self, old: Option<&Arc<Resource>>, new: Option<&Arc<Resource>>) {
        for pair in old.into_iter().flat_map(|old| pairs(old)) {
            self.pairs.remove(&pair);
        }
        for pair in new.into_iter().flat_map(|new| pairs(new)) {
            self.pairs.insert(pair);
        }
    }

    /// The resources that are made of `key`, ordered.
    pub(super) fn of<'d>(&'d self, key: &'d Key) -> impl Iterator<Item = &'d Key> {
        // No kind stands before this one, and no id before the empty one.
        let first = Key::new(Kind::Route, "");
        let pairs = self.pairs.range((key.clone(), first)..);
        let of_key = pairs.take_while(move |(target, _)| target == key);
        of_key.map(|(_, dependent)| dependent)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resource(key: &str, spec: Value) -> Arc<Resource> {
        Arc::new(Resource {
            key: key.parse().unwrap(),
            spec: Arc::new(spec),
            created: 1,
            modified: 1,
            create_time: 0,
            update_time: 0,
            expires_at_ms: None,
        })
    }

    fn of(dependents: &Dependents, key: &str) -> Vec<String> {
        let key = key.parse().unwrap();
        dependents.of(&key).map(Key::to_string).collect()
    }

    #[test]
    fn what_a_resource_names_knows_it_until_it_names_another() {
        let mut dependents = Dependents::default();
        let old = resource(
            "routes/1",
            json!({"service_id": "a", "plugin_config_id": "p"}),
        );
        let other = resource("routes/2", json!({"service_id": "a"}));
        dependents.change(None, Some(&old));
        dependents.change(None, Some(&other));
        assert_eq!(of(&dependents, "services/a"), ["routes/1", "routes/2"]);
        assert_eq!(of(&dependents, "plugin_configs/p"), ["routes/1"]);
        let new = resource("routes/1", json!({"service_id": "b"}));
        dependents.change(Some(&old), Some(&new));
        assert_eq!(of(&dependents, "services/a"), ["routes/2"]);
        assert_eq!(of(&dependents, "services/b"), ["routes/1"]);
        assert!(of(&dependents, "plugin_configs/p").is_empty());
        dependents.change(Some(&new), None);
        assert!(of(&dependents, "services/b").is_empty());
    }

    #[test]
    fn routes_do_not_hold_upstream_objects() {
        let mut dependents = Dependents::default();
        dependents.change(
            None,
            Some(&resource("routes/1", json!({"upstream_id": "u"}))),
        );
        dependents.change(
            None,
            Some(&resource("services/1", json!({"upstream_id": "u"}))),
        );
        assert_eq!(of(&dependents, "upstreams/u"), ["services/1"]);
    }
}
