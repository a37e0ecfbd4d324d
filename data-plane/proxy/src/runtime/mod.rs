//! The compiled, immutable form of a snapshot: what requests read.

mod askers;
mod changes;
mod compile;
mod consumers;
mod dependents;
mod directory;
pub mod explain;
mod global;
mod host;
mod owners;
mod parts;
mod report;
mod route;
mod routes;
mod streams;
mod target;
mod upstreams;

use std::sync::Arc;

use weir_model::endpoint::{Endpoints, Lookup};
use weir_model::{Id, Key, Kind, Revision};
use weir_plugin_api::outside::Outside;
use weir_plugin_api::{
    Attributes, Context, Entry, Host, Living, RequestHead, StreamEntry, StreamHead, UpstreamChoice,
};

pub use compile::compile;
pub use consumers::Consumers;
pub(crate) use host::nobody;
pub use host::{Environment, Locations, SystemEnvironment};
pub use report::{Findings, Report};
pub use route::{CompiledRoute, Target};
pub(crate) use target::{InlineUpstreams, Site, StoredProtos};
pub use upstreams::UpstreamName;

use crate::chain::Active;
use crate::error::Reason;
use crate::router::{RouteMatch, Router, RouterSettings};
use crate::stream::route::CompiledStreamRoute;
use crate::tls::{Certificates, Terms};
use crate::upstream::runtime::UpstreamRuntime;
use global::Global;
use host::RuntimeHost;
use parts::Parts;

/// Fallbacks of fallbacks that are followed.
const MAX_FALLBACKS: usize = 8;

/// What compilation needs besides the resources.
#[derive(Clone)]
pub struct CompileEnv {
    /// The plugin table.
    pub plugins: &'static [Entry],
    /// The table of plugins that run on streams.
    pub stream_plugins: &'static [StreamEntry],
    /// State that outlives runtimes.
    pub living: Living,
    /// What registries say: the nodes of upstreams that are discovered.
    pub endpoints: Endpoints,
    /// Static switches of matching.
    pub settings: RouterSettings,
    /// Clock, randomness and name of this agent.
    pub environment: Arc<dyn Environment>,
    /// What plugins are told as a whole.
    pub attributes: Attributes,
    /// What plugins can reach beyond nodes.
    pub outside: Arc<dyn Outside>,
    /// What the certificates for clients have in common.
    pub tls: Terms,
}

/// Everything that one request may see of one revision. Immutable; shared by all workers.
pub struct Runtime {
    /// The revision that it was compiled from.
    pub revision: Revision,
    /// Certificates for clients.
    pub certificates: Arc<Certificates>,
    router: Router,
    global: Arc<Global>,
    consumers: Arc<Consumers>,
    host: Arc<RuntimeHost>,
    parts: Parts,
    env: CompileEnv,
}

impl Runtime {
    /// Services for plugins.
    #[must_use]
    pub fn host(&self) -> Arc<dyn Host> {
        Arc::clone(&self.host) as Arc<dyn Host>
    }

    /// What can be reached beyond nodes.
    pub(crate) fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.host.outside)
    }

    /// Clock and randomness that it was compiled with.
    pub(crate) fn environment(&self) -> Arc<dyn Environment> {
        Arc::clone(&self.host.environment)
    }

    /// The upstream to take instead of one without a usable node: its fallback, the fallback of
    /// that, and so on; itself when none of them has a usable node.
    #[must_use]
    pub fn usable<'r>(&'r self, upstream: &'r Arc<UpstreamRuntime>) -> &'r Arc<UpstreamRuntime> {
        let host = &*self.host;
        let mut candidate = upstream;
        for _ in 0..MAX_FALLBACKS {
            if candidate.is_usable(host) {
                return candidate;
            }
            let next = candidate.config.fallback_upstream_id.as_ref();
            match next.and_then(|id| self.upstream_object(id)) {
                Some(next) => candidate = next,
                None => break,
            }
        }
        upstream
    }

    /// Finds the route of a request, notes it in `context`, and sets the plugins that run. They
    /// are set also when there is no route: the global rules run then.
    ///
    /// # Errors
    /// Why the request has no route that can be served.
    pub fn enter(
        &self,
        context: &mut Context,
        chain: &mut Active,
    ) -> Result<Arc<CompiledRoute>, Reason> {
        let Some(found) = self.route(&context.request) else {
            *chain = Active::without_route(Arc::clone(self.global.whole()));
            return Err(Reason::NoRoute);
        };
        context.matched_uri = found.matched_uri();
        context.matched_host = found.matched_host();
        let route = Arc::clone(found.route);
        context.route = Some(Arc::clone(&route.info));
        context.params = found.params;
        *chain = Active::on_route(
            Arc::clone(self.global.beside(route.preferred)),
            Arc::clone(&route),
            Arc::clone(&self.consumers),
        );
        Ok(route)
    }

    /// The upstream that a plugin chose.
    ///
    /// # Errors
    /// There is no upstream object of that id.
    pub fn chosen(&self, choice: &UpstreamChoice) -> Result<Arc<UpstreamRuntime>, Reason> {
        let found = match choice {
            UpstreamChoice::Inline(upstream) => upstream.downcast(),
            UpstreamChoice::Id(id) => self.upstream_object(id).map(Arc::clone),
        };
        found.ok_or(Reason::UpstreamMissing)
    }

    /// The route that a request would take.
    #[must_use]
    #[inline]
    pub fn route<'r>(&'r self, head: &RequestHead) -> Option<RouteMatch<'r>> {
        let captures = !self.global.whole().is_empty();
        self.router.find(head, &*self.host, captures)
    }

    /// Where a route leads now, if only there are nodes.
    fn target<'r>(&'r self, target: &'r Target) -> Result<&'r Arc<UpstreamRuntime>, Reason> {
        match target {
            Target::Own(upstream) => Ok(upstream),
            Target::Shared(name) => {
                let found = self.parts.upstreams.get(name);
                found.ok_or(Reason::UpstreamMissing)
            }
            Target::Nowhere(reason) => Err(*reason),
        }
    }

    /// Where a route leads now.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub fn upstream<'r>(
        &'r self,
        route: &'r CompiledRoute,
    ) -> Result<&'r Arc<UpstreamRuntime>, Reason> {
        self.upstream_of(&route.target)
    }

    /// Where a stream route leads now.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub fn stream_upstream<'r>(
        &'r self,
        route: &'r CompiledStreamRoute,
    ) -> Result<&'r Arc<UpstreamRuntime>, Reason> {
        self.upstream_of(&route.target)
    }

    /// Where a stream is sent that a plugin chose an upstream for.
    ///
    /// # Errors
    /// There is no upstream object of that id, or it has no node.
    pub fn stream_chosen(&self, choice: &UpstreamChoice) -> Result<Arc<UpstreamRuntime>, Reason> {
        let upstream = self.chosen(choice)?;
        with_nodes(&upstream)?;
        Ok(upstream)
    }

    fn upstream_of<'r>(&'r self, target: &'r Target) -> Result<&'r Arc<UpstreamRuntime>, Reason> {
        let upstream = self.target(target)?;
        with_nodes(upstream)?;
        Ok(upstream)
    }

    /// An upstream object.
    #[must_use]
    pub fn upstream_object(&self, id: &Id) -> Option<&Arc<UpstreamRuntime>> {
        let name = UpstreamName::new(Key::new(Kind::Upstream, Arc::clone(id)));
        self.parts.upstreams.get(&name)
    }

    /// Every upstream with health checks, by the resource that carries it, ordered.
    pub fn checked_upstreams(&self) -> impl Iterator<Item = (&Key, &Arc<UpstreamRuntime>)> {
        self.parts.checked.iter()
    }

    /// The names of nodes that are to be resolved.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Lookup> {
        self.parts.askers.names()
    }

    /// The addresses of names that it was compiled with.
    pub(crate) fn addresses(&self) -> &Endpoints {
        &self.parts.addresses
    }

    /// The same revision, with names at other addresses.
    pub(crate) fn at_addresses(&self, addresses: Endpoints) -> Self {
        let (renewed, _) = compile::compile_at(&self.parts.set, Some(self), &self.env, &addresses);
        renewed
    }

    /// The stream route that a connection takes.
    #[must_use]
    pub fn stream_route(&self, head: &StreamHead) -> Option<&Arc<CompiledStreamRoute>> {
        self.parts.streams.find(head)
    }

    /// All stream routes, ordered by id.
    pub fn stream_routes(&self) -> impl Iterator<Item = (&Key, &Arc<CompiledStreamRoute>)> {
        self.parts.stream_routes.iter()
    }

    /// All routes, ordered by id; those that are disabled too.
    pub fn routes(&self) -> impl Iterator<Item = (&Key, &Arc<CompiledRoute>)> {
        self.parts.routes.iter()
    }

    /// The index of the routes.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// What it does, as text: two runtimes that do the same describe the same.
    #[must_use]
    pub fn describe(&self) -> String {
        let routes = self.routes().map(|(_, route)| route.describe());
        let streams = self.stream_routes().map(|(_, route)| route.describe());
        let upstreams = self.parts.upstreams.iter();
        let mut upstreams: Vec<String> = upstreams
            .map(|upstream| format!("{} {:?}", upstream.key, upstream.written()))
            .collect();
        upstreams.sort_unstable();
        let checked: Vec<&Key> = self.checked_upstreams().map(|(key, _)| key).collect();
        format!(
            "revision {}\nglobal {:?}\nroutes {:#?}\nindex {}\nstreams {:#?}\n\
             upstreams {upstreams:#?}\n\
             checked {checked:?}\nconsumers {:#?}\nnames {:?}",
            self.revision,
            self.global,
            routes.collect::<Vec<_>>(),
            self.router.describe(),
            streams.collect::<Vec<_>>(),
            self.consumers.describe(),
            self.certificates.names(),
        )
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

fn with_nodes(upstream: &UpstreamRuntime) -> Result<(), Reason> {
    if upstream.nodes().is_empty() && upstream.config.fallback_upstream_id.is_none() {
        return Err(Reason::NoNodes);
    }
    Ok(())
}
