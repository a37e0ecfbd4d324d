//! Compiling one route: merging with service and plugin config, and finding the upstream.

use std::sync::Arc;

use smallvec::SmallVec;
use weir_model::route::Route;
use weir_model::upstream::Upstream;
use weir_model::{Id, Key, Kind, Problem, Resource};
use weir_plugin_api::RouteInfo;

use super::global::Preferred;
use super::parts::{Bundle, Parts, ServiceForm};
use super::route::{CompiledRoute, Target};
use super::target::Site;
use super::upstreams::UpstreamName;
use crate::chain::{Chain, Merge, OwnedSet};
use crate::error::Reason;
use crate::router::{Filters, Methods, PathPattern};

/// Paths and hosts of one route: their places in it are small numbers.
const MAX_PLACES: usize = u16::MAX as usize;

/// A route and the resources that it is made of.
pub(super) struct Merged<'a> {
    key: &'a Key,
    created: u64,
    route: &'a Route,
    /// Its own plugins.
    own: &'a OwnedSet,
    service: Option<OfService<'a>>,
    /// The plugin config, or that it is missing.
    config: Option<Result<&'a Bundle, Reason>>,
}

impl<'a> Merged<'a> {
    pub(super) fn new(
        resource: &'a Resource,
        route: &'a Route,
        own: &'a OwnedSet,
        parts: &'a Parts,
    ) -> Self {
        let service = route.service_id.as_ref();
        let service = service.map(|id| OfService::find(id, parts));
        let config = route.plugin_config_id.as_ref().map(|id| {
            let form = parts
                .plugin_configs
                .get(&Key::new(Kind::PluginConfig, Arc::clone(id)));
            form.ok_or(Reason::PluginsMissing)
        });
        Self {
            key: &resource.key,
            created: resource.created,
            route,
            own,
            service,
            config,
        }
    }

    fn service(&self) -> Option<&'a ServiceForm> {
        self.service.and_then(|service| service.form.ok())
    }

    /// Compiles the route.
    pub(super) fn compile(&self, site: Site<'_>, parts: &Parts) -> Result<CompiledRoute, Problem> {
        let (route, service) = (self.route, self.service());
        let chain = self.chain();
        let hosts = match service {
            Some(service) if route.hosts.is_empty() => service.hosts.clone(),
            _ => route
                .hosts
                .iter()
                .map(|host| parts.names.of(host))
                .collect(),
        };
        let places = route.uris.len().max(hosts.len());
        if places > MAX_PLACES {
            let message = format!("expected at most {MAX_PLACES} paths and hosts, got {places}");
            return Err(Problem::new("uris", message));
        }
        Ok(CompiledRoute {
            info: Arc::new(RouteInfo {
                id: Arc::clone(&self.key.id),
                name: route.name.as_deref().map(Arc::from).unwrap_or_default(),
                service_id: route
                    .service_id
                    .as_ref()
                    .map(Arc::clone)
                    .unwrap_or_default(),
                service_name: service
                    .map(|form| Arc::clone(&form.name))
                    .unwrap_or_default(),
            }),
            enabled: route.enabled,
            priority: route.priority,
            created: self.created,
            hosts,
            patterns: self.patterns(site, parts)?,
            filters: Filters::of(&route.remote_addrs, &route.headers, &route.vars),
            methods: Methods::of(&route.methods)
                .map_err(|message| Problem::new("methods", message))?,
            // Only plugins, expressions and logs of a route with plugins read captures.
            wants_params: !chain.is_empty() || !route.vars.is_empty(),
            preferred: Preferred::of(&chain, site.env.plugins),
            chain,
            target: self.target(site)?,
            timeout: route.timeout.map(Box::new),
            enable_websocket: route
                .enable_websocket
                .or_else(|| service.and_then(|form| form.spec.enable_websocket))
                .unwrap_or(false),
        })
    }

    /// The plugins, from the strongest owner; one chain for all routes that have no others.
    fn chain(&self) -> Arc<Chain> {
        let config = self.config.and_then(Result::ok);
        let service = self.service().map(|form| &form.bundle);
        let bundles = [config, service].into_iter().flatten();
        let bundles: Vec<&Bundle> = bundles
            .filter(|bundle| !bundle.plugins.is_empty())
            .collect();
        match bundles[..] {
            [] if self.own.is_empty() => Chain::empty(),
            [only] if self.own.is_empty() => Arc::clone(&only.chain),
            _ => {
                let shared = bundles.into_iter().map(|bundle| &*bundle.plugins);
                let owners = [self.own].into_iter().chain(shared).collect();
                Arc::new(Merge { owners }.chain())
            }
        }
    }

    fn patterns(
        &self,
        site: Site<'_>,
        parts: &Parts,
    ) -> Result<SmallVec<[PathPattern; 1]>, Problem> {
        let (route, names) = (self.route, &parts.names);
        if route.is_regex() {
            let pairs = route.uris.iter().zip(&route.regexes);
            let regex = |(text, pattern): (&String, &weir_model::field::pattern::Pattern)| {
                PathPattern::regex(text, pattern.regex().clone(), names)
            };
            return Ok(pairs.map(regex).collect());
        }
        let mode = site.env.settings.mode;
        let parse = |text: &String| {
            let parsed = PathPattern::parse(text, mode, names);
            parsed.map_err(|message| Problem::new("uri", message))
        };
        route.uris.iter().map(parse).collect()
    }

    fn target(&self, site: Site<'_>) -> Result<Target, Problem> {
        if let Some(Err(missing)) = self.config {
            return Ok(Target::Nowhere(missing));
        }
        let leads = Leads {
            upstream_id: self.route.upstream_id.as_ref(),
            upstream: self.route.upstream.as_ref(),
            service: self.service,
        };
        leads.target(self.key, site)
    }
}

/// The service of a route, or that it is missing.
#[derive(Clone, Copy)]
pub(super) struct OfService<'a> {
    id: &'a Id,
    pub(super) form: Result<&'a ServiceForm, Reason>,
}

impl<'a> OfService<'a> {
    pub(super) fn find(id: &'a Id, parts: &'a Parts) -> Self {
        let form = parts.services.get(&Key::new(Kind::Service, Arc::clone(id)));
        Self {
            id,
            form: form.map(Arc::as_ref).ok_or(Reason::ServiceMissing),
        }
    }
}

/// What decides where a route, or a stream route, leads.
pub(super) struct Leads<'a> {
    pub(super) upstream_id: Option<&'a Id>,
    pub(super) upstream: Option<&'a Upstream>,
    pub(super) service: Option<OfService<'a>>,
}

impl Leads<'_> {
    /// The route's upstream wins over the service's; an id wins over an inline one.
    pub(super) fn target(&self, key: &Key, site: Site<'_>) -> Result<Target, Problem> {
        let shared = |key: Key| Target::Shared(UpstreamName::new(key));
        let object = |id: &Id| shared(Key::new(Kind::Upstream, Arc::clone(id)));
        if let Some(Err(missing)) = self.service.map(|service| service.form) {
            return Ok(Target::Nowhere(missing));
        }
        if let Some(id) = self.upstream_id {
            return Ok(object(id));
        }
        if let Some(upstream) = self.upstream {
            return site.inline(key, upstream.clone()).map(Target::Own);
        }
        let Some(OfService { id, form: Ok(form) }) = self.service else {
            return Ok(Target::Nowhere(Reason::NoUpstream));
        };
        let spec = &form.spec;
        Ok(match (&spec.upstream_id, &spec.upstream) {
            (Some(id), _) if !spec.has_overlay() => object(id),
            (None, None) => Target::Nowhere(Reason::NoUpstream),
            _ => shared(Key::new(Kind::Service, Arc::clone(id))),
        })
    }
}
