//! Parts of a runtime that the next compilation may take over.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_model::consumer::Consumer;
use weir_model::consumer_group::ConsumerGroup;
use weir_model::credential::Credential;
use weir_model::global_rule::GlobalRule;
use weir_model::plugin_config::PluginConfig;
use weir_model::service::Service;
use weir_model::ssl::Ssl;
use weir_model::{Id, Key, Kind, Problem, Resource, ResourceSet, Revision};

use super::owners::Owned;
use super::route::{CompiledRoute, Inputs};
use crate::upstream::runtime::UpstreamRuntime;

/// Typed documents by key, with the revision that they were read from.
pub(super) type Cache<T> = BTreeMap<Key, (Revision, Arc<T>)>;

/// Everything that is known by key.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) services: Cache<Service>,
    pub(super) plugin_configs: Cache<PluginConfig>,
    pub(super) rules: Cache<GlobalRule>,
    pub(super) groups: Cache<ConsumerGroup>,
    pub(super) consumers: Cache<Consumer>,
    pub(super) credentials: Cache<Credential>,
    pub(super) ssls: Cache<Ssl>,
    pub(super) upstreams: Cache<UpstreamRuntime>,
    pub(super) owned: BTreeMap<Key, Owned>,
    pub(super) routes: BTreeMap<Id, (Inputs, Arc<CompiledRoute>)>,
}

/// Reads every document of a kind, or takes it over when its `revision` is the one that was read. A document that cannot be read keeps its last
/// good form, under the old revision, so that it is tried again; and is reported to `refused`.
pub(super) fn parse_all<T>(
    set: &ResourceSet,
    kind: Kind,
    before: Option<&Cache<T>>,
    revision: impl Fn(&Resource) -> Revision,
    parse: impl Fn(&Key, &Value) -> Result<T, Problem>,
    refused: &mut impl FnMut(&Resource, Problem),
) -> Cache<T> {
    let mut cache = Cache::new();
    for resource in set.of_kind(kind) {
        let last_good = before.and_then(|before| before.get(&resource.key));
        let current = revision(resource);
        let known = last_good.filter(|(revision, _)| *revision == current);
        let entry = match known {
            Some(known) => Some(known.clone()),
            None => match parse(&resource.key, &resource.spec) {
                Ok(value) => Some((current, Arc::new(value))),
                Err(problem) => {
                    refused(resource, problem);
                    last_good.cloned()
                }
            },
        };
        if let Some(entry) = entry {
            cache.insert(resource.key.clone(), entry);
        }
    }
    cache
}
