//! From a snapshot to a runtime. A pure function but for the state that plugins and nodes find
//! again in [`weir_plugin_api::Living`].

use std::sync::Arc;

use weir_model::consumer::Consumer as ConsumerSpec;
use weir_model::credential::Credential;
use weir_model::ssl::is_reference;
use weir_model::{Key, Kind, Problem, Resource, ResourceSet};
use weir_plugin_api::{Consumer, Entry};

use super::consumers::{Consumers, Group, Member};
use super::host::RuntimeHost;
use super::owners::{Owners, Place};
use super::parts::{Cache, Parts, parse_all};
use super::routes::Routes;
use super::target::Site;
use super::{CompileEnv, Report, Runtime};
use crate::chain::{Chain, OwnedSet};
use crate::router::Router;
use crate::tls::Certificates;

/// Compiles `set`. What did not change since `previous` is taken over; a resource that cannot be
/// compiled keeps its last good form from there, and is reported.
#[must_use]
pub fn compile(
    set: &ResourceSet,
    previous: Option<&Runtime>,
    env: &CompileEnv,
) -> (Runtime, Report) {
    let before = previous.map(|runtime| &runtime.parts);
    let mut compiler = Compiler {
        set,
        env,
        before,
        owners: Owners::new(set, env, before),
        parts: Parts::default(),
        report: Report::default(),
    };
    compiler.parse();
    compiler.own_plugins();
    let global = compiler.global();
    let consumers = compiler.consumers(previous);
    compiler.routes(&global);
    let certificates = Arc::new(compiler.certificates(previous));
    let Compiler {
        parts, mut report, ..
    } = compiler;
    report.refused.sort_by(|a, b| a.0.cmp(&b.0));
    report.pending = pending(set);

    let mut routes: Vec<_> = set
        .of_kind(Kind::Route)
        .filter_map(|resource| {
            let (_, route) = parts.routes.get(&resource.key.id)?;
            Some((resource.created, route))
        })
        .collect();
    // A stable sort: what was created by one change set stays in order of ids.
    routes.sort_by_key(|(created, _)| *created);
    let router = Router::new(env.settings, routes.into_iter().map(|(_, route)| route));
    let host = Arc::new(RuntimeHost {
        consumers: Arc::clone(&consumers),
        environment: Arc::clone(&env.environment),
        outside: Arc::clone(&env.outside),
    });
    let runtime = Runtime {
        revision: set.revision,
        certificates,
        router,
        global: Arc::new(global),
        consumers,
        host,
        parts,
    };
    (runtime, report)
}

/// Settings that are stored but that agents do not act on.
fn pending(set: &ResourceSet) -> Vec<(Key, Problem)> {
    set.resources
        .values()
        .flat_map(|resource| {
            let found = weir_model::validate::pending_settings(resource.key.kind, &resource.spec);
            found
                .into_iter()
                .map(|problem| (resource.key.clone(), problem))
        })
        .collect()
}

struct Compiler<'a> {
    set: &'a ResourceSet,
    env: &'a CompileEnv,
    before: Option<&'a Parts>,
    owners: Owners<'a>,
    parts: Parts,
    report: Report,
}

impl Compiler<'_> {
    fn parse(&mut self) {
        let (set, before) = (self.set, self.before);
        let report = &mut self.report;
        let mut refused = |resource: &Resource, problem: Problem| {
            report.refused.push((resource.key.clone(), problem));
        };
        macro_rules! parse {
            ($field:ident, $kind:expr, $parse:expr) => {
                parse!($field, $kind, |resource| resource.modified, $parse)
            };
            ($field:ident, $kind:expr, $revision:expr, $parse:expr) => {
                let known = before.map(|parts| &parts.$field);
                self.parts.$field = parse_all(set, $kind, known, $revision, $parse, &mut refused);
            };
        }
        let site = Site { set, env: self.env };
        let with_ssls = |resource: &Resource| site.revision(resource);
        parse!(services, Kind::Service, with_ssls, |_, spec| {
            weir_model::service::Service::parse(spec)
        });
        parse!(plugin_configs, Kind::PluginConfig, with_ssls, |_, spec| {
            weir_model::plugin_config::PluginConfig::parse(spec)
        });
        parse!(rules, Kind::GlobalRule, with_ssls, |_, spec| {
            weir_model::global_rule::GlobalRule::parse(spec)
        });
        parse!(groups, Kind::ConsumerGroup, |_, spec| {
            weir_model::consumer_group::ConsumerGroup::parse(spec)
        });
        parse!(consumers, Kind::Consumer, |_, spec| ConsumerSpec::parse(
            spec
        ));
        parse!(credentials, Kind::Credential, |_, spec| Credential::parse(
            spec
        ));
        parse!(ssls, Kind::Ssl, |_, spec| weir_model::ssl::Ssl::parse(spec));
        parse!(upstreams, Kind::Upstream, with_ssls, |key, spec| {
            site.object(key, spec)
        });
    }

    fn certificates(&mut self, previous: Option<&Runtime>) -> Certificates {
        let objects = self
            .parts
            .ssls
            .iter()
            .map(|(key, (revision, ssl))| (key, *revision, ssl.as_ref()));
        let known = previous.map(|runtime| runtime.certificates.as_ref());
        let (certificates, mut problems) = Certificates::build(objects, known);
        self.report.refused.append(&mut problems);
        certificates
    }

    /// Compiles the plugins of all resources that carry some. A resource whose plugins cannot be
    /// compiled keeps its last good form as a whole; without one it is left out, so that nothing
    /// runs without the plugins that were meant for it.
    fn own_plugins(&mut self) {
        let Self {
            owners,
            before,
            parts,
            report,
            ..
        } = self;
        let Parts {
            services,
            plugin_configs,
            rules,
            groups,
            consumers,
            owned,
            ..
        } = parts;
        macro_rules! own {
            ($cache:ident, $place:expr) => {
                let last_good = before.map(|before| (&before.$cache, &before.owned));
                for (key, entry) in std::mem::take($cache) {
                    match owners.of(&key, entry.0, &entry.1.plugins, $place) {
                        Ok(plugins) => {
                            owned.insert(key.clone(), plugins);
                            $cache.insert(key, entry);
                        }
                        Err(problem) => {
                            report.refused.push((key.clone(), problem));
                            let kept = last_good.and_then(|(cache, owned)| {
                                let (entry, plugins) = (cache.get(&key)?, owned.get(&key)?);
                                (plugins.revision == entry.0).then_some((entry, plugins))
                            });
                            if let Some((entry, plugins)) = kept {
                                owned.insert(key.clone(), plugins.clone());
                                $cache.insert(key, entry.clone());
                            }
                        }
                    }
                }
            };
        }
        own!(services, Place::Config);
        own!(plugin_configs, Place::Config);
        own!(rules, Place::Config);
        own!(groups, Place::Config);
        own!(consumers, Place::Consumer);
    }

    fn plugins_of(&self, key: &Key) -> Option<Arc<OwnedSet>> {
        let owned = self.parts.owned.get(key)?;
        Some(Arc::clone(&owned.plugins))
    }

    fn global(&self) -> Chain {
        let rules = self.parts.rules.keys();
        let sets: Vec<_> = rules.filter_map(|key| self.plugins_of(key)).collect();
        Chain::global(&sets.iter().map(Arc::as_ref).collect::<Vec<_>>())
    }

    /// The consumers; those of `previous` when nothing that they are made of has changed.
    fn consumers(&self, previous: Option<&Runtime>) -> Arc<Consumers> {
        let parts = &self.parts;
        let unchanged = previous.filter(|runtime| {
            let before = &runtime.parts;
            let plugins_are_the_same = |key: &Key| {
                let plugins = |parts: &Parts| Some(Arc::as_ptr(&parts.owned.get(key)?.plugins));
                plugins(parts) == plugins(before)
            };
            same(&parts.consumers, &before.consumers)
                && same(&parts.credentials, &before.credentials)
                && same(&parts.groups, &before.groups)
                && parts.consumers.keys().all(plugins_are_the_same)
                && parts.groups.keys().all(plugins_are_the_same)
        });
        match unchanged {
            Some(runtime) => Arc::clone(&runtime.consumers),
            None => Arc::new(self.build_consumers()),
        }
    }

    fn build_consumers(&self) -> Consumers {
        let mut consumers = Consumers::default();
        for (key, (_, spec)) in &self.parts.consumers {
            let Some(plugins) = self.plugins_of(key) else {
                continue;
            };
            for (plugin, config) in &spec.plugins {
                index(self.env.plugins, &mut consumers, plugin, config, |config| {
                    identity(spec, None, config)
                });
            }
            let group = spec.group_id.as_ref().map(|id| {
                match self.plugins_of(&Key::new(Kind::ConsumerGroup, Arc::clone(id))) {
                    Some(plugins) => Group::Found(plugins),
                    None => Group::Missing(Arc::clone(id)),
                }
            });
            let member = Member {
                consumer: Arc::new(identity(spec, None, &Arc::default())),
                plugins,
                group,
            };
            consumers.members.insert(spec.username.clone(), member);
        }
        for (key, (_, credential)) in &self.parts.credentials {
            let owner = Credential::consumer_of(key);
            let owner = owner.and_then(|owner| self.parts.consumers.get(&owner));
            let Some((_, spec)) = owner else { continue };
            for (plugin, config) in &credential.plugins {
                index(self.env.plugins, &mut consumers, plugin, config, |config| {
                    identity(spec, Some(key.leaf()), config)
                });
            }
        }
        consumers
    }

    fn routes(&mut self, global: &Chain) {
        let routes = Routes::new(self.owners.site, self.before, global, &self.parts.rules);
        for resource in self.set.of_kind(Kind::Route) {
            match routes.compile(resource, &self.owners, &mut self.parts) {
                Ok(true) => self.report.reused += 1,
                Ok(false) => self.report.rebuilt += 1,
                Err(problem) => {
                    self.report.refused.push((resource.key.clone(), problem));
                    routes.keep(resource, &mut self.parts);
                }
            }
        }
    }
}

/// Whether two caches hold the same resources at the same revisions.
fn same<T>(one: &Cache<T>, other: &Cache<T>) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a.0 == b.0 && a.1.0 == b.1.0)
}

/// What authentication finds.
fn identity(
    spec: &ConsumerSpec,
    credential: Option<&str>,
    config: &Arc<serde_json::Value>,
) -> Consumer {
    Consumer {
        name: spec.username.clone(),
        group_id: spec.group_id.as_ref().map(ToString::to_string),
        labels: spec.labels.clone(),
        credential_id: credential.map(str::to_owned),
        auth_config: Arc::clone(config),
    }
}

/// Makes a consumer findable by the key that one of its plugins has.
fn index(
    plugins: &'static [Entry],
    consumers: &mut Consumers,
    plugin: &str,
    config: &serde_json::Value,
    identity: impl FnOnce(&Arc<serde_json::Value>) -> Consumer,
) {
    let Some(entry) = plugins
        .iter()
        .find(|entry| entry.name == plugin && entry.auth)
    else {
        return;
    };
    // What a reference stands for is not known here; its text must not open any door.
    let key = entry.consumer_key(config);
    if let Some(key) = key.filter(|key| !is_reference(key)) {
        let found = Arc::new(identity(&Arc::new(config.clone())));
        consumers
            .keys
            .entry(entry.name)
            .or_default()
            .insert(key, found);
    }
}
