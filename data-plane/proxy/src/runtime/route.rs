//! A route, compiled with its service and plugin config.

use std::sync::Arc;

use smallvec::SmallVec;
use weir_model::Revision;
use weir_model::field::timeout::Timeouts;
use weir_plugin_api::RouteInfo;

use super::global::Preferred;
use super::upstreams::UpstreamName;
use crate::chain::Chain;
use crate::error::Reason;
use crate::router::{Filters, Methods, PathPattern};
use crate::upstream::runtime::UpstreamRuntime;

/// Where a route leads.
#[derive(Debug)]
pub enum Target {
    /// To an upstream of its own.
    Own(Arc<UpstreamRuntime>),
    /// To one that others share: an upstream object, or that of its service.
    Shared(UpstreamName),
    /// Nowhere.
    Nowhere(Reason),
}

impl Target {
    /// The upstream that belongs to the route alone.
    pub(super) fn own(&self) -> Option<&Arc<UpstreamRuntime>> {
        match self {
            Target::Own(upstream) => Some(upstream),
            Target::Shared(_) | Target::Nowhere(_) => None,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Target::Own(upstream) => format!("{} {:?}", upstream.key, upstream.written()),
            Target::Shared(name) => name.key.to_string(),
            Target::Nowhere(reason) => reason.as_str().to_owned(),
        }
    }
}

/// Everything that a request needs once its route is known. What is rarely set lies apart: most
/// routes are small.
#[derive(Debug)]
pub struct CompiledRoute {
    /// Facts for logs and variables.
    pub info: Arc<RouteInfo>,
    /// Larger wins among routes on the same path.
    pub priority: i64,
    /// Revision that created it: the older one wins where nothing else decides.
    pub created: Revision,
    /// Host patterns, lower-cased; the service's when the route has none.
    pub hosts: Box<[Arc<str>]>,
    /// Path patterns; mostly there is one, which lies right here.
    pub patterns: SmallVec<[PathPattern; 1]>,
    /// Conditions beyond host, path and method.
    pub filters: Option<Box<Filters>>,
    /// Its plugins.
    pub chain: Arc<Chain>,
    /// Where it leads.
    pub target: Target,
    /// Limits of the route; they win over the upstream's.
    pub timeout: Option<Box<Timeouts>>,
    /// Plugins of its chain that global rules do not repeat.
    pub(super) preferred: Preferred,
    /// Methods that it takes.
    pub methods: Methods,
    /// `status`: a disabled route is not indexed.
    pub enabled: bool,
    /// Whether anybody reads the captures of the path, global rules apart.
    pub wants_params: bool,
    /// Whether `Upgrade` may be passed on.
    pub enable_websocket: bool,
}

impl CompiledRoute {
    pub(super) fn describe(&self) -> String {
        let target = self.target.describe();
        let uris: Vec<&str> = self.patterns.iter().map(|pattern| &*pattern.text).collect();
        format!(
            "{:?} enabled {} priority {} created {} hosts {:?} uris {uris:?} methods {:?} {:?} \
             chain {:?} {:?} params {} timeout {:?} websocket {} -> {target}",
            self.info,
            self.enabled,
            self.priority,
            self.created,
            self.hosts,
            self.methods,
            self.filters,
            self.chain,
            self.preferred,
            self.wants_params,
            self.timeout,
            self.enable_websocket,
        )
    }
}
