//! What a runtime is made of, by resource: the next compilation starts from a copy, which shares
//! everything, and changes what a change touches.

use std::sync::Arc;

use imbl::OrdMap;
use weir_model::consumer::Consumer;
use weir_model::credential::Credential;
use weir_model::endpoint::{Endpoints, Place};
use weir_model::service::Service;
use weir_model::ssl::Ssl;
use weir_model::{Key, Problem, Resource, ResourceSet, Revision};

use super::askers::Askers;
use super::dependents::Dependents;
use super::report::Findings;
use super::route::CompiledRoute;
use super::upstreams::{SharedUpstreams, UpstreamName};
use crate::chain::{Chain, Merge, OwnedSet};
use crate::router::names::Names;
use crate::stream::index::Index;
use crate::stream::route::CompiledStreamRoute;
use crate::upstream::alike::Alike;
use crate::upstream::runtime::UpstreamRuntime;

/// Forms in use of the resources of one kind. One that could not be compiled is there in its last
/// good form, or not at all.
pub(super) type Forms<T> = OrdMap<Key, T>;

/// Plugins of one resource, and their chain for routes that have no others.
#[derive(Clone, Default)]
pub(super) struct Bundle {
    pub(super) plugins: Arc<OwnedSet>,
    pub(super) chain: Arc<Chain>,
}

impl Bundle {
    pub(super) fn new(plugins: Arc<OwnedSet>) -> Self {
        let chain = Merge {
            owners: vec![&plugins],
        };
        let chain = Arc::new(chain.chain());
        Self { plugins, chain }
    }
}

/// A service.
pub(super) struct ServiceForm {
    pub(super) spec: Service,
    pub(super) hosts: Box<[Arc<str>]>,
    pub(super) name: Arc<str>,
    pub(super) bundle: Bundle,
}

/// A consumer.
pub(super) struct ConsumerForm {
    pub(super) spec: Consumer,
    pub(super) plugins: Arc<OwnedSet>,
}

/// Everything that is known by key.
#[derive(Clone, Default)]
pub(super) struct Parts {
    /// What the rest was compiled from.
    pub(super) set: ResourceSet,
    /// The endpoints that it was compiled with.
    pub(super) endpoints: Endpoints,
    /// The addresses of names that it was compiled with.
    pub(super) addresses: Endpoints,
    pub(super) dependents: Dependents,
    pub(super) askers: Askers,
    pub(super) services: Forms<Arc<ServiceForm>>,
    pub(super) plugin_configs: Forms<Bundle>,
    pub(super) rules: Forms<Arc<OwnedSet>>,
    pub(super) groups: Forms<Arc<OwnedSet>>,
    pub(super) consumers: Forms<Arc<ConsumerForm>>,
    pub(super) credentials: Forms<Arc<Credential>>,
    pub(super) ssls: Forms<(Revision, Arc<Ssl>)>,
    /// Of upstream objects, and those that services carry or lay something over.
    pub(super) upstreams: SharedUpstreams,
    /// Those of them, and of routes' own, that have health checks.
    pub(super) checked: Forms<Arc<UpstreamRuntime>>,
    pub(super) routes: Forms<Arc<CompiledRoute>>,
    pub(super) stream_routes: Forms<Arc<CompiledStreamRoute>>,
    /// The stream routes by what they ask of a connection.
    pub(super) streams: Index<CompiledStreamRoute>,
    /// Plugins that routes carry themselves; routes without any are left out.
    pub(super) route_plugins: Forms<Arc<OwnedSet>>,
    /// What could not be compiled.
    pub(super) refused: Findings,
    /// Services whose upstream could not be compiled; the last good one stays.
    pub(super) not_carried: Findings,
    /// What could not be offered to TLS clients.
    pub(super) not_offered: Findings,
    /// Settings that are stored but not acted on.
    pub(super) pending: Findings,
    pub(super) names: Arc<Names>,
    pub(super) alike: Arc<Alike>,
}

impl Parts {
    /// Sets the upstream that an object or a service carries, or takes it out.
    pub(super) fn set_upstream(&mut self, key: &Key, upstream: Option<Arc<UpstreamRuntime>>) {
        let name = UpstreamName::new(key.clone());
        let old = self.upstreams.get(&name).cloned();
        self.note(key, old.as_ref(), upstream.as_ref());
        self.upstreams.set(&name, upstream);
    }

    /// Sets a route, or takes it out; the one before.
    pub(super) fn set_route(
        &mut self,
        key: &Key,
        route: Option<Arc<CompiledRoute>>,
    ) -> Option<Arc<CompiledRoute>> {
        let own = |route: &Arc<CompiledRoute>| route.target.own().cloned();
        let (old, new) = (
            self.routes.get(key).and_then(own),
            route.as_ref().and_then(own),
        );
        self.note(key, old.as_ref(), new.as_ref());
        match route {
            Some(route) => self.routes.insert(key.clone(), route),
            None => self.routes.remove(key),
        }
    }

    /// Sets a stream route, or takes it out; the one before.
    pub(super) fn set_stream_route(
        &mut self,
        key: &Key,
        route: Option<Arc<CompiledStreamRoute>>,
    ) -> Option<Arc<CompiledStreamRoute>> {
        let own = |route: &Arc<CompiledStreamRoute>| route.target.own().cloned();
        let (old, new) = (
            self.stream_routes.get(key).and_then(own),
            route.as_ref().and_then(own),
        );
        self.note(key, old.as_ref(), new.as_ref());
        match route {
            Some(route) => self.stream_routes.insert(key.clone(), route),
            None => self.stream_routes.remove(key),
        }
    }

    /// Keeps the lists of upstreams that matter beside requests: those with checks or names.
    fn note(
        &mut self,
        key: &Key,
        old: Option<&Arc<UpstreamRuntime>>,
        new: Option<&Arc<UpstreamRuntime>>,
    ) {
        let names = |upstream: Option<&Arc<UpstreamRuntime>>| {
            upstream.map_or_else(Vec::new, |upstream| upstream.names().to_vec())
        };
        let (before, after) = (names(old), names(new));
        if before != after {
            self.askers.named(key, Place::Upstream, &before, &after);
        }
        match new.filter(|upstream| upstream.check_kind().is_some()) {
            Some(upstream) => self.checked.insert(key.clone(), Arc::clone(upstream)),
            None => self.checked.remove(key),
        };
    }

    /// Owners of plugins that are compiled with the metadata of `plugin`.
    pub(super) fn owners_of(&self, plugin: &str) -> Vec<Key> {
        fn owners<'f, T>(
            forms: &'f Forms<T>,
            plugin: &'f str,
            plugins: impl Fn(&T) -> &Arc<OwnedSet> + 'f,
        ) -> impl Iterator<Item = Key> + 'f {
            let found = move |(key, form): (&Key, &T)| {
                let mut instances = plugins(form).values().flatten();
                let uses = instances.any(|instance| instance.entry.metadata_of == plugin);
                uses.then(|| key.clone())
            };
            forms.iter().filter_map(found)
        }
        // Plugins of their services are compiled with them.
        let streams = self.stream_routes.iter();
        let streams = streams.filter(|(_, route)| route.chain.has(plugin));
        let streams = streams.map(|(key, _)| key.clone());
        owners(&self.services, plugin, |form| &form.bundle.plugins)
            .chain(owners(&self.plugin_configs, plugin, |form| &form.plugins))
            .chain(owners(&self.rules, plugin, |plugins| plugins))
            .chain(owners(&self.groups, plugin, |plugins| plugins))
            .chain(owners(&self.consumers, plugin, |form| &form.plugins))
            .chain(owners(&self.route_plugins, plugin, |plugins| plugins))
            .chain(streams)
            .collect()
    }
}

/// Brings the forms of some resources of one kind up to date. One that cannot be compiled keeps its
/// last good form, so that nothing runs without what was meant for it, and is noted in `refused`.
pub(super) fn renew<'k, T: Clone>(
    forms: &mut Forms<T>,
    refused: &mut Findings,
    set: &ResourceSet,
    keys: impl Iterator<Item = &'k Key>,
    compile: impl Fn(&Resource, Option<&T>) -> Result<T, Problem>,
) {
    for key in keys {
        let compiled = set.get(key);
        let compiled = compiled.map(|resource| compile(resource, forms.get(key)));
        let problem = match compiled {
            None => {
                forms.remove(key);
                None
            }
            Some(Ok(form)) => {
                forms.insert(key.clone(), form);
                None
            }
            Some(Err(problem)) => Some(problem),
        };
        refused.set(key, problem.into_iter().collect());
    }
}
