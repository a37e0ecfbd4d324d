//! Compiling routes: merging with service and plugin config, and finding the upstream.

use std::sync::Arc;

use http::Method;
use weir_model::field::id;
use weir_model::global_rule::GlobalRule;
use weir_model::route::Route;
use weir_model::service::Service;
use weir_model::{Key, Kind, Problem, Resource, Revision};
use weir_plugin_api::{RouteInfo, RunPolicy};

use super::owners::{Owners, Place, Revisions};
use super::parts::{Cache, Parts};
use super::route::{CompiledRoute, Inputs};
use super::target::Site;
use crate::chain::{Chain, Merge, OwnedSet, PluginInstance};
use crate::error::Reason;
use crate::router::{Filters, PathPattern};
use crate::upstream::runtime::UpstreamRuntime;

/// Compiles the routes of one snapshot.
pub(super) struct Routes<'a> {
    site: Site<'a>,
    before: Option<&'a Parts>,
    global: &'a Chain,
    /// Revisions of the global rules in use.
    rules: Revisions,
}

impl<'a> Routes<'a> {
    pub(super) fn new(
        site: Site<'a>,
        before: Option<&'a Parts>,
        global: &'a Chain,
        rules: &Cache<GlobalRule>,
    ) -> Self {
        let rules = rules
            .iter()
            .map(|(key, (revision, _))| (key.clone(), *revision))
            .collect();
        Self {
            site,
            before,
            global,
            rules,
        }
    }

    /// Keeps the last good form of a route that cannot be compiled.
    pub(super) fn keep(&self, resource: &Resource, parts: &mut Parts) {
        let known = self
            .before
            .and_then(|before| before.routes.get(&resource.key.id));
        if let Some(known) = known {
            parts
                .routes
                .insert(Arc::clone(&resource.key.id), known.clone());
        }
    }

    /// Compiles a route, or takes it over (`true`).
    pub(super) fn compile(
        &self,
        resource: &Resource,
        owners: &Owners<'_>,
        parts: &mut Parts,
    ) -> Result<bool, Problem> {
        let id = &resource.key.id;
        let inputs = self.inputs(resource, owners, parts);
        let known = self.before.and_then(|before| before.routes.get(id));
        if let Some(known) = known.filter(|(before, _)| *before == inputs) {
            if let Some(owned) = self
                .before
                .and_then(|before| before.owned.get(&resource.key))
            {
                parts.owned.insert(resource.key.clone(), owned.clone());
            }
            parts.routes.insert(Arc::clone(id), known.clone());
            return Ok(true);
        }
        let route = Route::parse(&resource.spec)?;
        let owned = owners.of(&resource.key, inputs.route, &route.plugins, Place::Config)?;
        let compiled = self.merge(&resource.key, &route, &owned.plugins, parts)?;
        parts.owned.insert(resource.key.clone(), owned);
        parts
            .routes
            .insert(Arc::clone(id), (inputs, Arc::new(compiled)));
        Ok(false)
    }

    /// What a route is made of, read from its document without parsing it.
    fn inputs(&self, resource: &Resource, owners: &Owners<'_>, parts: &Parts) -> Inputs {
        let named = |kind: Kind, field: &str| {
            let id = resource.spec.get(field).and_then(id::text)?;
            Some(Key::new(kind, id))
        };
        let service = named(Kind::Service, "service_id").map(|key| in_use(key, &parts.services));
        let upstream = named(Kind::Upstream, "upstream_id").or_else(|| {
            let (_, service) = parts.services.get(&service.as_ref()?.0)?;
            let id = service.upstream_id.as_ref()?;
            Some(Key::new(Kind::Upstream, Arc::clone(id)))
        });
        Inputs {
            route: self.site.revision(resource),
            plugin_config: named(Kind::PluginConfig, "plugin_config_id")
                .map(|key| in_use(key, &parts.plugin_configs)),
            service,
            upstream: upstream.map(|key| in_use(key, &parts.upstreams)),
            metadata: Arc::clone(&owners.metadata),
            rules: Arc::clone(&self.rules),
        }
    }

    fn merge(
        &self,
        key: &Key,
        route: &Route,
        own: &OwnedSet,
        parts: &Parts,
    ) -> Result<CompiledRoute, Problem> {
        let service_key = route
            .service_id
            .clone()
            .map(|id| Key::new(Kind::Service, id));
        let service = service_key.as_ref().and_then(|key| parts.services.get(key));
        let service = service.map(|(_, service)| service.as_ref());
        let config_key = route
            .plugin_config_id
            .clone()
            .map(|id| Key::new(Kind::PluginConfig, id));
        let plugins_of = |key: &Option<Key>| {
            let owned = parts.owned.get(key.as_ref()?)?;
            Some(Arc::clone(&owned.plugins))
        };
        let (config_plugins, service_plugins) = (plugins_of(&config_key), plugins_of(&service_key));
        let owners = [
            Some(own),
            config_plugins.as_deref(),
            service_plugins.as_deref(),
        ];
        let chain = Merge {
            owners: owners.into_iter().flatten().collect(),
        }
        .chain();
        let hosts = match service {
            Some(service) if route.hosts.is_empty() => &service.hosts,
            _ => &route.hosts,
        };
        let methods = route
            .methods
            .iter()
            .map(|name| Method::from_bytes(name.as_bytes()));
        let upstream = match (&service_key, &config_key) {
            (_, Some(config)) if !parts.plugin_configs.contains_key(config) => {
                Err(Reason::PluginsMissing)
            }
            (Some(_), _) if service.is_none() => Err(Reason::ServiceMissing),
            _ => self.target(
                key,
                route,
                service_key.as_ref().zip(service),
                &parts.upstreams,
            )?,
        };
        Ok(CompiledRoute {
            info: Arc::new(RouteInfo {
                id: key.id.to_string(),
                name: route.name.clone().unwrap_or_default(),
                service_id: route.service_id.as_deref().unwrap_or_default().to_owned(),
                service_name: service.and_then(|s| s.name.clone()).unwrap_or_default(),
            }),
            enabled: route.enabled,
            priority: route.priority,
            hosts: hosts.iter().map(|host| Arc::from(host.as_str())).collect(),
            patterns: self.patterns(route)?,
            filters: Filters {
                methods: methods
                    .collect::<Result<_, _>>()
                    .map_err(|_| Problem::new("methods", "expected names of methods"))?,
                remote_addrs: route.remote_addrs.clone(),
                headers: route.headers.clone(),
                vars_read_params: Filters::reads_params(&route.vars),
                vars: route.vars.clone(),
            },
            // Only plugins, expressions and logs of a route with plugins read captures.
            wants_params: !chain.is_empty() || !route.vars.is_empty() || !self.global.is_empty(),
            global: self.global_for(&chain),
            chain: Arc::new(chain),
            upstream,
            timeout: route.timeout,
            enable_websocket: route
                .enable_websocket
                .or_else(|| service.and_then(|service| service.enable_websocket))
                .unwrap_or(false),
        })
    }

    fn patterns(&self, route: &Route) -> Result<Vec<Arc<PathPattern>>, Problem> {
        if route.is_regex() {
            let pairs = route.uris.iter().zip(&route.regexes);
            let regex = |(text, pattern): (&String, &weir_model::field::pattern::Pattern)| {
                Arc::new(PathPattern::regex(text, pattern.regex().clone()))
            };
            return Ok(pairs.map(regex).collect());
        }
        let mode = self.site.env.settings.mode;
        let parse = |text: &String| {
            let parsed = PathPattern::parse(text, mode).map(Arc::new);
            parsed.map_err(|message| Problem::new("uri", message))
        };
        route.uris.iter().map(parse).collect()
    }

    /// The route's upstream wins over the service's; an id wins over an inline one.
    fn target(
        &self,
        key: &Key,
        route: &Route,
        service: Option<(&Key, &Service)>,
        upstreams: &Cache<UpstreamRuntime>,
    ) -> Result<Result<Arc<UpstreamRuntime>, Reason>, Problem> {
        let overlaid = service.filter(|(_, s)| s.upstream_host.is_some() || s.scheme.is_some());
        let service_upstream =
            service.map(|(key, service)| (key, &service.upstream_id, &service.upstream));
        let own = (key, &route.upstream_id, &route.upstream);
        let has =
            |(_, id, inline): &(&Key, &Option<_>, &Option<_>)| id.is_some() || inline.is_some();
        let chosen = [Some(own), service_upstream]
            .into_iter()
            .flatten()
            .find(has);
        let Some((owner, id, inline)) = chosen else {
            return Ok(Err(Reason::NoUpstream));
        };
        let overlaid = overlaid.filter(|_| owner.kind == Kind::Service);
        let compiled = match (id, inline) {
            (Some(id), _) => {
                let key = Key::new(Kind::Upstream, Arc::clone(id));
                let Some((_, compiled)) = upstreams.get(&key) else {
                    return Ok(Err(Reason::UpstreamMissing));
                };
                match overlaid {
                    Some((service_key, service)) => {
                        let laid = service.overlay(compiled.config.clone());
                        self.site.inline(service_key, laid)?
                    }
                    None => Arc::clone(compiled),
                }
            }
            (None, Some(upstream)) => {
                let laid = match overlaid {
                    Some((_, service)) => service.overlay(upstream.clone()),
                    None => upstream.clone(),
                };
                self.site.inline(owner, laid)?
            }
            (None, None) => return Ok(Err(Reason::NoUpstream)),
        };
        if compiled.nodes().is_empty() {
            return Ok(Err(Reason::NoNodes));
        }
        Ok(Ok(compiled))
    }

    /// The global chain without the plugins that prefer this route's copy, when that differs.
    fn global_for(&self, chain: &Chain) -> Option<Arc<Chain>> {
        let twice = |name: &str, policy| policy == RunPolicy::PreferRoute && chain.contains(name);
        let slots = self.global.slots();
        let differs = slots
            .iter()
            .any(|slot| twice(slot.plugin.entry.name, slot.plugin.entry.run_policy));
        differs.then(|| {
            let unwanted =
                |plugin: &PluginInstance| twice(plugin.entry.name, plugin.entry.run_policy);
            Arc::new(self.global.without(unwanted))
        })
    }
}

/// A resource with the revision of its form in use, if it has one.
fn in_use<T>(key: Key, cache: &Cache<T>) -> (Key, Option<Revision>) {
    let revision = cache.get(&key).map(|(revision, _)| *revision);
    (key, revision)
}
