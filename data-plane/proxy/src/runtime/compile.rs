//! From a snapshot to a runtime. A pure function but for the state that plugins and nodes find
//! again in [`weir_plugin_api::Living`].

use std::sync::Arc;

use weir_model::consumer::Consumer;
use weir_model::consumer_group::ConsumerGroup;
use weir_model::credential::Credential;
use weir_model::endpoint::Endpoints;
use weir_model::global_rule::GlobalRule;
use weir_model::plugin_config::PluginConfig;
use weir_model::route::Route;
use weir_model::service::Service;
use weir_model::ssl::Ssl;
use weir_model::{Key, Kind, Problem, Resource, ResourceSet};

use super::changes::Changes;
use super::consumers::Consumers;
use super::global::Global;
use super::host::RuntimeHost;
use super::owners::{Owners, Place};
use super::parts::{Bundle, ConsumerForm, Parts, ServiceForm, renew};
use super::report::{Findings, Report};
use super::route::CompiledRoute;
use super::routes::Merged;
use super::streams;
use super::target::Site;
use super::{CompileEnv, Runtime};
use crate::chain::OwnedSet;
use crate::router::Router;
use crate::tls::Certificates;

/// Compiles `set`. What a difference to `previous` does not touch is taken over, at no cost; a
/// resource that cannot be compiled keeps its last good form from there, and is reported. Names of
/// nodes stay at the addresses that they have there.
#[must_use]
pub fn compile(
    set: &ResourceSet,
    previous: Option<&Runtime>,
    env: &CompileEnv,
) -> (Runtime, Report) {
    let addresses = previous.map(|runtime| runtime.parts.addresses.clone());
    compile_at(set, previous, env, &addresses.unwrap_or_default())
}

/// Compiles `set` with these `addresses` of the names of nodes, see [`compile`].
pub(super) fn compile_at(
    set: &ResourceSet,
    previous: Option<&Runtime>,
    env: &CompileEnv,
    addresses: &Endpoints,
) -> (Runtime, Report) {
    // An index of other settings is of no use.
    let previous = previous.filter(|runtime| runtime.router.settings() == env.settings);
    let mut parts = previous
        .map(|runtime| runtime.parts.clone())
        .unwrap_or_default();
    let changes = Changes::find(set, &env.endpoints, addresses, &mut parts);
    let alike = Arc::clone(&parts.alike);
    let site = Site {
        set,
        env,
        addresses,
        alike: &alike,
    };
    let mut compiler = Compiler {
        site,
        owners: Owners { site },
        changes,
        parts,
    };
    let certificates = compiler.certificates(previous);
    compiler.upstreams();
    compiler.plugins();
    compiler.services();
    let router = previous.map(|runtime| runtime.router.clone());
    let (router, rebuilt) = compiler.routes(router.unwrap_or_else(|| Router::new(env.settings)));
    compiler.streams();
    let global = compiler.global(previous);
    let consumers = compiler.consumers(previous);
    let parts = compiler.parts;
    let report = Report {
        refused: refused(&parts),
        pending: parts.pending.clone(),
        reused: parts.routes.len() - rebuilt,
        rebuilt,
    };
    let runtime = Runtime {
        revision: set.revision,
        certificates,
        router,
        global,
        host: Arc::new(RuntimeHost {
            consumers: Arc::clone(&consumers),
            upstreams: parts.upstreams.clone(),
            set: set.clone(),
            environment: Arc::clone(&env.environment),
            outside: Arc::clone(&env.outside),
        }),
        consumers,
        parts,
        env: env.clone(),
    };
    (runtime, report)
}

/// Everything that could not be used as it is.
fn refused(parts: &Parts) -> Findings {
    let mut refused = parts.refused.clone();
    for (key, problem) in parts.not_offered.iter().chain(parts.not_carried.iter()) {
        refused.add(key, problem.clone());
    }
    refused
}

struct Compiler<'a> {
    site: Site<'a>,
    owners: Owners<'a>,
    changes: Changes,
    parts: Parts,
}

impl Compiler<'_> {
    fn certificates(&mut self, previous: Option<&Runtime>) -> Arc<Certificates> {
        let known = previous.map(|runtime| &runtime.certificates);
        if let Some(known) = known.filter(|_| !self.changes.touch(&[Kind::Ssl])) {
            return Arc::clone(known);
        }
        let parts = &mut self.parts;
        let (forms, refused) = (&mut parts.ssls, &mut parts.refused);
        let (set, keys) = (self.site.set, self.changes.of_kind(Kind::Ssl));
        renew(forms, refused, set, keys, |resource, _| {
            let ssl = Ssl::parse(&resource.spec)?;
            Ok((resource.modified, Arc::new(ssl)))
        });
        let objects = parts.ssls.iter();
        let objects = objects.map(|(key, (modified, ssl))| (key, *modified, &**ssl));
        let terms = &self.site.env.tls;
        let (certificates, problems) = Certificates::build(objects, known.map(Arc::as_ref), terms);
        parts.not_offered = Findings::default();
        for (key, problem) in problems {
            parts.not_offered.add(&key, problem);
        }
        Arc::new(certificates)
    }

    /// Upstream objects.
    fn upstreams(&mut self) {
        let parts = &mut self.parts;
        for key in self.changes.of_kind(Kind::Upstream) {
            let compiled = self
                .site
                .set
                .get(key)
                .map(|resource| self.site.object(key, &resource.spec));
            let problem = match compiled.transpose() {
                Ok(upstream) => {
                    parts.set_upstream(key, upstream.map(Arc::new));
                    None
                }
                Err(problem) => Some(problem),
            };
            parts.refused.set(key, problem.into_iter().collect());
        }
    }

    /// What is shared for its plugins alone.
    fn plugins(&mut self) {
        let Self {
            changes,
            parts,
            owners,
            site,
            ..
        } = self;
        let (set, refused) = (site.set, &mut parts.refused);
        let keys = changes.of_kind(Kind::PluginConfig);
        let forms = &mut parts.plugin_configs;
        renew(forms, refused, set, keys, |resource, _| {
            let spec = PluginConfig::parse(&resource.spec)?;
            let plugins = owners.of(&resource.key, &spec.plugins, Place::Config);
            plugins.map(Bundle::new)
        });
        let keys = changes.of_kind(Kind::GlobalRule);
        renew(&mut parts.rules, refused, set, keys, |resource, _| {
            let spec = GlobalRule::parse(&resource.spec)?;
            owners.of(&resource.key, &spec.plugins, Place::Config)
        });
    }

    fn services(&mut self) {
        let Self {
            changes,
            parts,
            owners,
            site,
        } = self;
        let names = &parts.names;
        let (set, refused) = (site.set, &mut parts.refused);
        let keys = changes.of_kind(Kind::Service);
        renew(&mut parts.services, refused, set, keys, |resource, _| {
            let spec = Service::parse(&resource.spec)?;
            let plugins = owners.of(&resource.key, &spec.plugins, Place::Config)?;
            Ok(Arc::new(ServiceForm {
                hosts: spec.hosts.iter().map(|host| names.of(host)).collect(),
                name: spec.name.as_deref().map(Arc::from).unwrap_or_default(),
                bundle: Bundle::new(plugins),
                spec,
            }))
        });
        for key in changes.carriers() {
            let carried = match parts.services.get(key) {
                Some(form) => site.of_service(key, &form.spec, &parts.upstreams),
                None => Ok(None),
            };
            let problem = match carried {
                Ok(upstream) => {
                    parts.set_upstream(key, upstream);
                    None
                }
                Err(problem) => Some(problem),
            };
            parts.not_carried.set(key, problem.into_iter().collect());
        }
    }

    /// Compiles the routes that changes touch and indexes them; says how many.
    fn routes(&mut self, mut router: Router) -> (Router, usize) {
        let keys: Vec<Key> = self.changes.of_kind(Kind::Route).cloned().collect();
        let mut rebuilt = 0;
        for key in keys {
            let compiled = self.site.set.get(&key).map(|resource| self.route(resource));
            let (old, problem) = match compiled {
                None => {
                    self.parts.route_plugins.remove(&key);
                    (self.parts.set_route(&key, None), None)
                }
                Some(Ok(route)) => {
                    rebuilt += 1;
                    router.insert(&route);
                    (self.parts.set_route(&key, Some(route)), None)
                }
                Some(Err(problem)) => (None, Some(problem)),
            };
            if let Some(old) = old {
                router.remove(&old);
            }
            self.parts.refused.set(&key, problem.into_iter().collect());
        }
        (router, rebuilt)
    }

    /// Compiles the stream routes that changes touch and indexes them.
    fn streams(&mut self) {
        let (site, parts) = (self.site, &mut self.parts);
        for key in self.changes.of_kind(Kind::StreamRoute) {
            let compiled = site.set.get(key);
            let compiled = compiled.map(|resource| streams::compile(resource, site, parts));
            let (route, problem) = match compiled.transpose() {
                Ok(route) => (route.map(Arc::new), None),
                Err(problem) => (None, Some(problem)),
            };
            if problem.is_none() {
                let old = parts.set_stream_route(key, route.clone());
                if let Some(old) = old {
                    parts.streams.remove(&old.matcher, old.created, &key.id);
                }
                if let Some(new) = route {
                    let (matcher, created) = (new.matcher.clone(), new.created);
                    parts.streams.insert(&matcher, created, &key.id, new);
                }
            }
            parts.refused.set(key, problem.into_iter().collect());
        }
    }

    fn route(&mut self, resource: &Resource) -> Result<Arc<CompiledRoute>, Problem> {
        let (key, parts) = (&resource.key, &mut self.parts);
        let route = Route::parse(&resource.spec)?;
        let known = parts.route_plugins.get(key);
        let own = match known.filter(|_| !self.changes.touch_plugins_of(key)) {
            Some(known) => Arc::clone(known),
            None => self.owners.of(key, &route.plugins, Place::Config)?,
        };
        let merged = Merged::new(resource, &route, &own, parts);
        let compiled = merged.compile(self.site, parts)?;
        if own.is_empty() {
            parts.route_plugins.remove(key);
        } else {
            parts.route_plugins.insert(key.clone(), own);
        }
        Ok(Arc::new(compiled))
    }

    fn global(&self, previous: Option<&Runtime>) -> Arc<Global> {
        match previous.filter(|_| !self.changes.touch(&[Kind::GlobalRule])) {
            Some(previous) => Arc::clone(&previous.global),
            None => {
                let rules: Vec<&OwnedSet> = self.parts.rules.values().map(Arc::as_ref).collect();
                Arc::new(Global::new(&rules, self.site.env.plugins))
            }
        }
    }

    fn consumers(&mut self, previous: Option<&Runtime>) -> Arc<Consumers> {
        let Self {
            changes,
            parts,
            owners,
            site,
        } = self;
        let kinds = [Kind::ConsumerGroup, Kind::Consumer, Kind::Credential];
        let known = previous.map(|runtime| &runtime.consumers);
        if let Some(known) = known.filter(|_| !changes.touch(&kinds)) {
            return Arc::clone(known);
        }
        let mut directory = known
            .map(|known| known.directory.clone())
            .unwrap_or_default();
        let (consumers, credentials) = (
            || changes.of_kind(Kind::Consumer),
            || changes.of_kind(Kind::Credential),
        );
        for key in consumers().chain(credentials()) {
            directory.remove(key, parts, site.env.plugins);
        }
        let (set, refused) = (site.set, &mut parts.refused);
        let groups = changes.of_kind(Kind::ConsumerGroup);
        renew(&mut parts.groups, refused, set, groups, |resource, _| {
            let spec = ConsumerGroup::parse(&resource.spec)?;
            owners.of(&resource.key, &spec.plugins, Place::Config)
        });
        let forms = &mut parts.consumers;
        renew(forms, refused, set, consumers(), |resource, known| {
            if let Some(known) = known.filter(|_| !changes.touch_plugins_of(&resource.key)) {
                return Ok(Arc::clone(known));
            }
            let spec = Consumer::parse(&resource.spec)?;
            let plugins = owners.of(&resource.key, &spec.plugins, Place::Consumer)?;
            Ok(Arc::new(ConsumerForm { spec, plugins }))
        });
        let forms = &mut parts.credentials;
        renew(forms, refused, set, credentials(), |resource, _| {
            Credential::parse(&resource.spec).map(Arc::new)
        });
        for key in consumers().chain(credentials()) {
            directory.add(key, parts, site.env.plugins);
        }
        Arc::new(Consumers::new(directory))
    }
}
