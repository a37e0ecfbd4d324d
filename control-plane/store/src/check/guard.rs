//! What keeps a resource from being deleted, in APISIX's words (objects.md section 2).

use weir_model::{Key, Kind};

use super::reference::in_plugin;
use crate::state::State;

/// Why `target` must not go: somebody uses it. `None` when nobody does that counts.
pub(super) fn in_use(state: &State, target: &Key) -> Option<String> {
    state
        .index
        .uses(target)
        .filter(|(user, _)| user != target)
        .find_map(|(user, path)| text(target.kind, &user, &path))
}

fn text(target: Kind, user: &Key, path: &str) -> Option<String> {
    let id = user.leaf();
    let plugin = in_plugin(path);
    match (target, user.kind) {
        (
            Kind::Upstream,
            Kind::Route
            | Kind::Service
            | Kind::PluginConfig
            | Kind::Consumer
            | Kind::ConsumerGroup
            | Kind::GlobalRule,
        ) if plugin => {
            let name = match user.kind {
                Kind::GlobalRule => "global_rules",
                kind => kind.name(),
            };
            Some(format!(
                "can not delete this upstream, plugin in {name} [{id}] is still using it now"
            ))
        }
        (Kind::Upstream, Kind::Route | Kind::Service | Kind::Upstream) => Some(format!(
            "can not delete this upstream, {} [{id}] is still using it now",
            user.kind
        )),
        (Kind::Service, Kind::Route | Kind::StreamRoute) if !plugin => Some(format!(
            "can not delete this service directly, {} [{id}] is still using it now",
            user.kind
        )),
        (Kind::PluginConfig, Kind::Route) => Some(format!(
            "can not delete this plugin config, route [{id}] is still using it now"
        )),
        (Kind::ConsumerGroup, Kind::Consumer) => Some(format!(
            "can not delete this consumer group, consumer [{id}] is still using it now"
        )),
        (Kind::Proto, Kind::Route | Kind::Service) => Some(format!(
            "can not delete this proto, {} [{id}] is still using it now",
            user.kind
        )),
        (Kind::StreamRoute, Kind::StreamRoute) => Some(format!(
            "can not delete this stream route directly, stream route [{id}] is still using it as \
             superior_id"
        )),
        (Kind::Registry, _) => Some(format!(
            "can not delete this registry, {} [{id}] is still using it now",
            user.kind
        )),
        _ => None,
    }
}
