//! The page of the `prometheus` plugin, with what only the agent knows.

use std::collections::BTreeMap;
use std::time::Instant;

use weir_model::{Kind, ResourceSet, Revision};
use weir_plugins::prometheus::{self, Discovered, NodeFacts, Pools, UpstreamConnections};
use weir_proxy::upstream::census::NodeConnections;

use crate::facts::Facts;
use crate::healthcheck;
use crate::server_info;
use crate::status::Shown;

/// Kinds whose revisions APISIX tells.
const KINDS: [Kind; 8] = [
    Kind::Consumer,
    Kind::GlobalRule,
    Kind::Proto,
    Kind::Route,
    Kind::Service,
    Kind::Ssl,
    Kind::StreamRoute,
    Kind::Upstream,
];

/// All metrics. Takes a pass over the resources.
pub(crate) fn page(shown: &Shown) -> String {
    let plane = &shown.plane;
    let stats = plane.gateway.stats();
    let (connected, newest, set, discovered) = {
        let facts = plane.facts.lock();
        let newest = facts.newest_revision.max(facts.revision);
        let discovered = discovered(&facts, Instant::now());
        (facts.connected, newest, facts.set.clone(), discovered)
    };
    let facts = NodeFacts {
        metric_prefix: shown.metric_prefix.clone(),
        hostname: plane.env.environment.hostname().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        requests: stats.requests,
        connections: server_info::counts(&stats),
        pools: Pools {
            opened: stats.upstream_connects,
            reused: stats.upstream_reuses,
            idle: stats.upstream_idle,
            nodes: stats.nodes.iter().map(of_node).collect(),
        },
        discovered,
        failures: stats.by_reason.into_iter().collect(),
        config_reachable: connected,
        modify_indexes: revisions(&set, newest),
        upstreams: healthcheck::nodes(plane.gateway.checkers()),
    };
    prometheus::render(&plane.env.living, &facts)
}

fn of_node(connections: &NodeConnections) -> UpstreamConnections {
    UpstreamConnections {
        node: connections.node.to_string(),
        active: connections.open.saturating_sub(connections.idle),
        idle: connections.idle,
    }
}

fn discovered(facts: &Facts, now: Instant) -> Vec<Discovered> {
    let sets = facts.endpoints.iter();
    sets.map(|(key, set)| Discovered {
        lookup: key.to_string(),
        endpoints: set.len(),
        changed: facts
            .endpoint_changes
            .get(key)
            .map(|at| now.saturating_duration_since(*at))
            .unwrap_or_default(),
    })
    .collect()
}

/// The last revision that changed something of each kind, that of the whole configuration in use,
/// and the `newest` that is known of.
fn revisions(set: &ResourceSet, newest: Revision) -> Vec<(String, u64)> {
    let mut kinds: BTreeMap<&str, u64> = KINDS.iter().map(|kind| (kind.collection(), 0)).collect();
    for resource in set.resources.values() {
        if let Some(last) = kinds.get_mut(resource.key.kind.collection()) {
            *last = resource.modified.max(*last);
        }
    }
    let kinds = kinds.into_iter();
    let mut revisions: Vec<_> = kinds.map(|(kind, last)| (kind.to_owned(), last)).collect();
    for (key, revision) in [
        ("max_modify_index", set.revision),
        ("prev_index", set.revision),
        ("x_etcd_index", newest),
    ] {
        revisions.push((key.to_owned(), revision));
    }
    revisions
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;
    use weir_model::Resource;
    use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet, Endpoints};

    use super::*;

    #[test]
    fn every_kind_has_the_revision_that_last_changed_it() {
        let resource = |key: &str, modified| {
            Arc::new(Resource {
                key: key.parse().unwrap(),
                spec: Arc::new(json!({})),
                created: 1,
                modified,
                create_time: 0,
                update_time: 0,
                expires_at_ms: None,
            })
        };
        let mut set = ResourceSet {
            revision: 9,
            ..ResourceSet::default()
        };
        for resource in [
            resource("routes/1", 7),
            resource("routes/2", 3),
            resource("secrets/a/1", 8),
        ] {
            set.resources.insert(resource.key.clone(), resource);
        }
        let found = revisions(&set, 12);
        let of = |name: &str| {
            found
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, last)| *last)
        };
        for (name, last) in [
            ("routes", 7),
            ("upstreams", 0),
            ("max_modify_index", 9),
            ("x_etcd_index", 12),
        ] {
            assert_eq!(of(name), Some(last), "{name}");
        }
        assert_eq!(of("secrets"), None);
    }

    #[test]
    fn a_lookup_is_as_old_as_its_last_change() {
        let set = |host: &str| {
            let set = EndpointSet::new([Endpoint::new(host, Some(80))]).unwrap();
            Arc::new(set)
        };
        let key = |name: &str| EndpointKey::from_text(name);
        let mut facts = Facts::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let both = Endpoints::from_iter([(key("a"), set("10.0.0.1")), (key("b"), set("10.0.0.2"))]);
        facts.use_endpoints(&both, start);
        let mut one = both.clone();
        one.insert(key("a"), set("10.0.0.9"));
        facts.use_endpoints(&one, at(10));
        let ages = |facts: &Facts| -> Vec<_> {
            let found = discovered(facts, at(15)).into_iter();
            found
                .map(|one| (one.lookup, one.changed.as_secs()))
                .collect()
        };
        assert_eq!(ages(&facts), [("a".to_owned(), 5), ("b".to_owned(), 15)]);
        one.remove(&key("b"));
        facts.use_endpoints(&one, at(15));
        assert_eq!(ages(&facts), [("a".to_owned(), 5)]);
        assert_eq!(facts.endpoint_changes.len(), 1);
    }
}
