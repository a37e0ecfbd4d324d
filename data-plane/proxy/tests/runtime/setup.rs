//! Sets of resources, and the surroundings to compile them in.

use std::sync::Arc;

use serde_json::Value;
use weir_model::endpoint::Endpoints;
use weir_model::{Key, Resource, ResourceSet, Revision};
use weir_plugin_api::outside::Unreachable;
use weir_plugin_api::{Attributes, Living};
use weir_proxy::router::{RouterMode, RouterSettings};
use weir_proxy::runtime::{CompileEnv, Runtime, SystemEnvironment, compile};

pub(crate) fn env(mode: RouterMode) -> CompileEnv {
    CompileEnv {
        plugins: weir_plugins::BUILTIN,
        stream_plugins: weir_plugins::ON_STREAMS,
        endpoints: Endpoints::default(),
        living: Living::default(),
        settings: RouterSettings {
            mode,
            ..RouterSettings::default()
        },
        environment: Arc::new(SystemEnvironment::new("test")),
        attributes: Attributes::default(),
        outside: Arc::new(Unreachable),
        tls: weir_proxy::tls::Terms::default(),
    }
}

/// Puts a document at the next revision.
pub(crate) fn put(set: &mut ResourceSet, key: &str, spec: Value) {
    set.revision += 1;
    let key: Key = key.parse().unwrap();
    let created: Revision = set
        .get(&key)
        .map_or(set.revision, |resource| resource.created);
    let resource = Resource {
        key: key.clone(),
        spec: Arc::new(spec),
        created,
        modified: set.revision,
        create_time: 1,
        update_time: 1,
        expires_at_ms: None,
    };
    set.resources.insert(key, Arc::new(resource));
}

/// Removes a document at the next revision.
pub(crate) fn remove(set: &mut ResourceSet, key: &str) {
    set.revision += 1;
    let key: Key = key.parse().unwrap();
    set.resources.remove(&key);
}

/// A runtime of valid documents.
pub(crate) fn runtime(mode: RouterMode, documents: &[(&str, Value)]) -> Runtime {
    let mut set = ResourceSet::default();
    for (key, spec) in documents {
        put(&mut set, key, spec.clone());
    }
    let (runtime, report) = compile(&set, None, &env(mode));
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    runtime
}
