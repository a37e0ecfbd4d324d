//! Whether this agent should get traffic: when a complete configuration is in use, with what
//! registries say of the services in it. Once it was ready it stays so until it drains: a service
//! that is new and not known yet concerns its own routes only.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use weir_model::ResourceSet;
use weir_model::endpoint::{EndpointKey, Endpoints, lookups};

/// How long registries are waited for. One that is down must not keep every route from traffic.
const PATIENCE: Duration = Duration::from_secs(15);
/// Services that a text names.
const NAMED: usize = 3;

/// What is waited for since the start.
#[derive(Debug, Clone, Default)]
pub(crate) enum Readiness {
    /// A configuration.
    #[default]
    Configuration,
    /// Registries: for these services, until that time.
    Discovery(BTreeSet<EndpointKey>, Instant),
    /// Nothing.
    Done,
}

impl Readiness {
    /// A configuration is in use.
    pub(crate) fn configured(&mut self, set: &ResourceSet, now: Instant) {
        let deadline = match self {
            Self::Done => return,
            Self::Configuration => now + PATIENCE,
            Self::Discovery(_, deadline) => *deadline,
        };
        let resources = set.resources.values();
        let asked = resources.flat_map(|resource| lookups(resource.key.kind, &resource.spec));
        *self = Self::Discovery(asked.map(|lookup| lookup.key()).collect(), deadline);
    }

    /// What keeps the agent from being ready, given what registries have said; `None` when nothing
    /// does, now and from now on.
    pub(crate) fn missing(&mut self, endpoints: &Endpoints, now: Instant) -> Option<String> {
        let (asked, deadline) = match self {
            Self::Done => return None,
            Self::Configuration => return Some("no configuration yet".to_owned()),
            Self::Discovery(asked, deadline) => (asked, *deadline),
        };
        asked.retain(|key| endpoints.get(key).is_none());
        if asked.is_empty() {
            *self = Self::Done;
            return None;
        }
        let missing = text(asked);
        if now >= deadline {
            tracing::warn!("ready without an answer of registries about {missing}");
            *self = Self::Done;
            return None;
        }
        let left = deadline.duration_since(now).as_secs() + 1;
        Some(format!(
            "no answer of registries yet about {missing}; waiting {left} s more"
        ))
    }
}

fn text(keys: &BTreeSet<EndpointKey>) -> String {
    let named: Vec<&str> = keys.iter().take(NAMED).map(EndpointKey::as_str).collect();
    let more = keys.len().saturating_sub(NAMED);
    let named = named.join(", ");
    if more == 0 {
        named
    } else {
        format!("{named} and {more} more")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use weir_model::endpoint::{Endpoint, EndpointSet};
    use weir_model::{Key, Kind, Resource};

    use super::*;

    fn set(upstreams: &[serde_json::Value]) -> ResourceSet {
        let resources = upstreams.iter().enumerate().map(|(id, spec)| {
            let key = Key::new(Kind::Upstream, id.to_string());
            let resource = Resource {
                key: key.clone(),
                spec: Arc::new(spec.clone()),
                created: 1,
                modified: 1,
                create_time: 1,
                update_time: 1,
                expires_at_ms: None,
            };
            (key, Arc::new(resource))
        });
        ResourceSet {
            revision: 1,
            resources: resources.collect(),
        }
    }

    fn discovered(name: &str) -> serde_json::Value {
        json!({"type": "roundrobin", "discovery_type": "consul", "service_name": name})
    }

    fn answer(set: &ResourceSet) -> Endpoints {
        let resources = set.resources.values();
        let keys = resources.flat_map(|one| lookups(one.key.kind, &one.spec));
        let nodes = EndpointSet::new([Endpoint::new("10.0.0.1", Some(80))]).unwrap();
        let nodes = Arc::new(nodes);
        keys.map(|lookup| (lookup.key(), Arc::clone(&nodes)))
            .collect()
    }

    #[test]
    fn without_discovery_a_configuration_is_all() {
        let (mut readiness, now) = (Readiness::default(), Instant::now());
        let none = Endpoints::default();
        let missing = readiness.missing(&none, now);
        assert_eq!(missing.as_deref(), Some("no configuration yet"));
        let plain = json!({"type": "roundrobin", "nodes": {"127.0.0.1:80": 1}});
        readiness.configured(&set(&[plain]), now);
        assert_eq!(readiness.missing(&none, now), None);
    }

    #[test]
    fn registries_are_waited_for_once_and_not_for_ever() {
        let (mut readiness, now) = (Readiness::default(), Instant::now());
        let none = Endpoints::default();
        let both = set(&[discovered("a"), discovered("b")]);
        readiness.configured(&both, now);
        let missing = readiness.missing(&none, now).unwrap();
        assert!(missing.contains("no answer of registries yet"), "{missing}");
        readiness.configured(&both, now + PATIENCE / 2);
        let mut patient = readiness.clone();
        assert_eq!(readiness.missing(&answer(&both), now), None);
        // A service that comes later does not take readiness back.
        readiness.configured(&set(&[discovered("c")]), now);
        assert_eq!(readiness.missing(&none, now), None);
        assert!(patient.missing(&none, now + PATIENCE / 2).is_some());
        assert_eq!(patient.missing(&none, now + PATIENCE), None);
    }
}
