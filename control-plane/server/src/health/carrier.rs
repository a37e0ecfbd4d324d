//! Which resource carries the upstream that requests of a route, service or upstream object go to:
//! agents name health by it. Pure; follows the same order as the agent.

use weir_model::route::Route;
use weir_model::service::Service;
use weir_model::upstream::Upstream;
use weir_model::{Key, Kind, ResourceSet};

/// The carrier of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carrier {
    /// The resource that agents name it by.
    pub(crate) key: Key,
    /// Whether it asks for health checks.
    pub(crate) checked: bool,
}

/// Finds it; `None` when there is no such resource. A document that leads nowhere carries its own,
/// which nobody checks.
pub(crate) fn carrier(set: &ResourceSet, key: &Key) -> Option<Carrier> {
    let spec = &set.get(key)?.spec;
    let object = |id: &str| {
        let key = Key::new(Kind::Upstream, id);
        let upstream = upstream_object(set, &key);
        Carrier {
            checked: upstream.is_some_and(|upstream| upstream.checks_in_force().is_some()),
            key,
        }
    };
    let own = |upstream: Option<&Upstream>| Carrier {
        key: key.clone(),
        checked: upstream.is_some_and(|upstream| upstream.checks_in_force().is_some()),
    };
    Some(match key.kind {
        Kind::Upstream => object(&key.id),
        Kind::Route => match Route::parse(spec) {
            Err(_) => own(None),
            Ok(route) => match (&route.upstream_id, &route.upstream, &route.service_id) {
                (Some(id), _, _) => object(id),
                (None, Some(upstream), _) => own(Some(upstream)),
                (None, None, Some(id)) => {
                    let service = Key::new(Kind::Service, id.clone());
                    carrier(set, &service).unwrap_or_else(|| own(None))
                }
                (None, None, None) => own(None),
            },
        },
        Kind::Service => match Service::parse(spec) {
            Err(_) => own(None),
            Ok(service) => match &service.upstream_id {
                Some(id) if !service.has_overlay() => object(id),
                Some(id) => {
                    let under = upstream_object(set, &Key::new(Kind::Upstream, id.clone()));
                    own(under.map(|under| service.overlay(under)).as_ref())
                }
                None => own(service.upstream.as_ref()),
            },
        },
        _ => own(None),
    })
}

fn upstream_object(set: &ResourceSet, key: &Key) -> Option<Upstream> {
    Upstream::parse(&set.get(key)?.spec).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use weir_model::Resource;

    use super::*;

    fn set(documents: &[(&str, Value)]) -> ResourceSet {
        let mut set = ResourceSet::default();
        for (key, spec) in documents {
            let key: Key = key.parse().unwrap();
            let resource = Resource {
                key: key.clone(),
                spec: Arc::new(spec.clone()),
                created: 1,
                modified: 1,
                create_time: 0,
                update_time: 0,
                expires_at_ms: None,
            };
            set.resources.insert(key, Arc::new(resource));
        }
        set
    }

    #[test]
    fn health_is_named_by_what_carries_the_upstream() {
        let checked = json!({"nodes": {"a:1": 1}, "checks": {"active": {}}});
        let plain = json!({"nodes": {"a:1": 1}});
        let set = set(&[
            ("upstreams/u", checked.clone()),
            ("upstreams/plain", plain.clone()),
            ("services/by_id", json!({"upstream_id": "u"})),
            ("services/inline", json!({"upstream": checked})),
            (
                "services/laid",
                json!({"upstream_id": "u", "upstream_host": "in.test"}),
            ),
            ("routes/by_id", json!({"uri": "/", "upstream_id": "u"})),
            ("routes/plain", json!({"uri": "/", "upstream_id": "plain"})),
            ("routes/inline", json!({"uri": "/", "upstream": checked})),
            (
                "routes/by_service",
                json!({"uri": "/", "service_id": "by_id"}),
            ),
            (
                "routes/in_service",
                json!({"uri": "/", "service_id": "inline"}),
            ),
            (
                "routes/own",
                json!({"uri": "/", "service_id": "inline", "upstream": plain}),
            ),
            ("routes/lost", json!({"uri": "/", "service_id": "gone"})),
            ("routes/none", json!({"uri": "/"})),
        ]);
        for (asked, expected, checked) in [
            ("upstreams/u", "upstreams/u", true),
            ("upstreams/plain", "upstreams/plain", false),
            ("services/by_id", "upstreams/u", true),
            ("services/inline", "services/inline", true),
            ("services/laid", "services/laid", true),
            ("routes/by_id", "upstreams/u", true),
            ("routes/plain", "upstreams/plain", false),
            ("routes/inline", "routes/inline", true),
            ("routes/by_service", "upstreams/u", true),
            ("routes/in_service", "services/inline", true),
            ("routes/own", "routes/own", false),
            ("routes/lost", "routes/lost", false),
            ("routes/none", "routes/none", false),
        ] {
            let found = carrier(&set, &asked.parse().unwrap()).unwrap();
            let key = found.key.to_string();
            assert_eq!(
                (key.as_str(), found.checked),
                (expected, checked),
                "{asked}"
            );
        }
        assert_eq!(carrier(&set, &"upstreams/x".parse().unwrap()), None);
    }
}
