//! From a snapshot to a runtime. A pure function but for the state that plugins and nodes find
//! again in [`weir_plugin_api::Living`].

use std::collections::HashMap;
use std::sync::Arc;

use weir_model::consumer::Consumer as ConsumerSpec;
use weir_model::credential::Credential;
use weir_model::plugin::Plugins;
use weir_model::{Key, Kind, Problem, Resource, ResourceSet};
use weir_plugin_api::{Consumer, Entry};

use super::consumers::{Consumers, Group, Member};
use super::host::RuntimeHost;
use super::owners::{Owners, Place};
use super::parts::{Cache, Parts, parse_all};
use super::routes::Routes;
use super::{CompileEnv, Report, Runtime, target};
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
    let global = compiler.global();
    let consumers = Arc::new(compiler.consumers());
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
                let known = before.map(|parts| &parts.$field);
                self.parts.$field = parse_all(set, $kind, known, $parse, &mut refused);
            };
        }
        parse!(services, Kind::Service, |_, spec| {
            weir_model::service::Service::parse(spec)
        });
        parse!(plugin_configs, Kind::PluginConfig, |_, spec| {
            weir_model::plugin_config::PluginConfig::parse(spec)
        });
        parse!(rules, Kind::GlobalRule, |_, spec| {
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
        let env = self.env;
        parse!(upstreams, Kind::Upstream, |key, spec| target::object(
            key, spec, env
        ));
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

    /// The plugins of a resource; the last good ones when these cannot be compiled.
    fn owned(&mut self, key: &Key, plugins: &Plugins, place: Place) -> Option<Arc<OwnedSet>> {
        let resource = self.set.get(key)?;
        let owned = match self.owners.of(resource, plugins, place) {
            Ok(owned) => owned,
            Err(problem) => {
                self.report.refused.push((key.clone(), problem));
                self.before
                    .and_then(|parts| parts.owned.get(key))
                    .cloned()?
            }
        };
        let compiled = Arc::clone(&owned.plugins);
        self.parts.owned.insert(key.clone(), owned);
        Some(compiled)
    }

    fn global(&mut self) -> Chain {
        let rules: Vec<_> = entries(&self.parts.rules);
        let sets: Vec<Arc<OwnedSet>> = rules
            .into_iter()
            .filter_map(|(key, rule)| self.owned(&key, &rule.plugins, Place::Config))
            .collect();
        Chain::global(&sets.iter().map(Arc::as_ref).collect::<Vec<_>>())
    }

    fn consumers(&mut self) -> Consumers {
        let mut groups: HashMap<Key, Arc<OwnedSet>> = HashMap::new();
        for (key, group) in entries(&self.parts.groups) {
            if let Some(plugins) = self.owned(&key, &group.plugins, Place::Config) {
                groups.insert(key, plugins);
            }
        }
        let mut consumers = Consumers::default();
        for (key, spec) in entries(&self.parts.consumers) {
            let Some(plugins) = self.owned(&key, &spec.plugins, Place::Consumer) else {
                continue;
            };
            let consumer = identity(&spec, None, &Arc::default());
            for (plugin, config) in &spec.plugins {
                index(self.env.plugins, &mut consumers, plugin, config, |config| {
                    identity(&spec, None, config)
                });
            }
            let group = spec.group_id.as_ref().map(|id| {
                match groups.get(&Key::new(Kind::ConsumerGroup, Arc::clone(id))) {
                    Some(plugins) => Group::Found(Arc::clone(plugins)),
                    None => Group::Missing(Arc::clone(id)),
                }
            });
            let member = Member {
                consumer: Arc::new(consumer),
                plugins,
                group,
            };
            consumers.members.insert(spec.username.clone(), member);
        }
        for (key, credential) in entries(&self.parts.credentials) {
            let owner = Credential::consumer_of(&key);
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
        for key in self
            .set
            .of_kind(Kind::PluginConfig)
            .map(|r| r.key.clone())
            .collect::<Vec<_>>()
        {
            let known = self
                .parts
                .plugin_configs
                .get(&key)
                .map(|(_, config)| Arc::clone(config));
            if let Some(config) = known {
                self.owned(&key, &config.plugins, Place::Config);
            }
        }
        for (key, service) in entries(&self.parts.services) {
            self.owned(&key, &service.plugins, Place::Config);
        }
        let routes = Routes::new(self.set, self.env, self.before, global);
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

/// The entries of a cache, detached from it.
fn entries<T>(cache: &Cache<T>) -> Vec<(Key, Arc<T>)> {
    cache
        .iter()
        .map(|(key, (_, value))| (key.clone(), Arc::clone(value)))
        .collect()
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
    if let Some(key) = entry.consumer_key(config) {
        let found = Arc::new(identity(&Arc::new(config.clone())));
        consumers
            .keys
            .entry(entry.name)
            .or_default()
            .insert(key, found);
    }
}
