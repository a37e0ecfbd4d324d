//! The compiled, immutable form of a snapshot: what requests read.

mod compile;
mod consumers;
mod host;
mod owners;
mod parts;
mod route;
mod routes;
mod target;

use std::sync::Arc;

use weir_model::{Key, Kind, Problem, Revision};
use weir_plugin_api::outside::Outside;
use weir_plugin_api::{Context, Entry, Host, Living, RequestHead, UpstreamChoice};

pub use compile::compile;
pub use consumers::Consumers;
pub(crate) use host::nobody;
pub use host::{Environment, SystemEnvironment};
pub use route::CompiledRoute;
pub(crate) use target::{InlineUpstreams, Site};

use crate::chain::{Active, Chain};
use crate::error::Reason;
use crate::router::{RouteMatch, Router, RouterSettings};
use crate::tls::Certificates;
use crate::upstream::runtime::UpstreamRuntime;
use host::RuntimeHost;
use parts::Parts;

/// What compilation needs besides the resources.
#[derive(Clone)]
pub struct CompileEnv {
    /// The plugin table.
    pub plugins: &'static [Entry],
    /// State that outlives runtimes.
    pub living: Living,
    /// Static switches of matching.
    pub settings: RouterSettings,
    /// Clock, randomness and name of this agent.
    pub environment: Arc<dyn Environment>,
    /// What plugins can reach beyond nodes.
    pub outside: Arc<dyn Outside>,
}

/// What compilation found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Resources that could not be used: they keep their last good form, or are left out.
    pub refused: Vec<(Key, Problem)>,
    /// Settings that are stored but not acted on.
    pub pending: Vec<(Key, Problem)>,
    /// Routes taken over from the previous runtime as they are.
    pub reused: usize,
    /// Routes compiled anew.
    pub rebuilt: usize,
}

/// Everything that one request may see of one revision. Immutable; shared by all workers.
pub struct Runtime {
    /// The revision that it was compiled from.
    pub revision: Revision,
    /// Certificates for clients.
    pub certificates: Arc<Certificates>,
    router: Router,
    global: Arc<Chain>,
    consumers: Arc<Consumers>,
    host: Arc<RuntimeHost>,
    parts: Parts,
}

impl Runtime {
    /// Services for plugins.
    #[must_use]
    pub fn host(&self) -> Arc<dyn Host> {
        Arc::clone(&self.host) as Arc<dyn Host>
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
        let Some(found) = self.router.find(&context.request) else {
            *chain = Active::without_route(Arc::clone(&self.global));
            return Err(Reason::NoRoute);
        };
        let route = found.route;
        context.route = Some(Arc::clone(&route.info));
        context.matched_uri = found.matched_uri;
        context.matched_host = found.matched_host;
        context.params = found.params;
        let global = route.global.as_ref().unwrap_or(&self.global);
        *chain = Active::on_route(
            Arc::clone(global),
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
        match choice {
            UpstreamChoice::Inline(upstream) => upstream.downcast().ok_or(Reason::UpstreamMissing),
            UpstreamChoice::Id(id) => {
                let found = self
                    .parts
                    .upstreams
                    .get(&Key::new(Kind::Upstream, Arc::clone(id)));
                found
                    .map(|(_, upstream)| Arc::clone(upstream))
                    .ok_or(Reason::UpstreamMissing)
            }
        }
    }

    /// The route that a request would take.
    #[must_use]
    pub fn route(&self, head: &RequestHead) -> Option<RouteMatch> {
        self.router.find(head)
    }

    /// What it does, as text: two runtimes that do the same describe the same.
    #[must_use]
    pub fn describe(&self) -> String {
        let routes: Vec<String> = self
            .parts
            .routes
            .values()
            .map(|(_, route)| route.describe())
            .collect();
        format!(
            "revision {}\nglobal {:?}\nroutes {routes:#?}\nconsumers {:#?}\nnames {:?}",
            self.revision,
            self.global,
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
