//! A route, compiled with its service, plugin config and upstream.

use std::sync::Arc;

use weir_model::field::timeout::Timeouts;
use weir_model::{Key, Revision};
use weir_plugin_api::RouteInfo;

use super::owners::Revisions;
use crate::chain::Chain;
use crate::error::Reason;
use crate::router::{Filters, PathPattern};
use crate::upstream::runtime::UpstreamRuntime;

/// Revisions of everything that a route is made of: equal inputs, equal route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inputs {
    pub(super) route: Revision,
    /// The forms in use of what it names; without revision when there is none.
    pub(super) service: Option<(Key, Option<Revision>)>,
    pub(super) plugin_config: Option<(Key, Option<Revision>)>,
    pub(super) upstream: Option<(Key, Option<Revision>)>,
    pub(super) metadata: Revisions,
    /// Global rules: some of their plugins prefer the route's copy.
    pub(super) rules: Revisions,
}

/// Everything that a request needs once its route is known.
#[derive(Debug)]
pub struct CompiledRoute {
    /// Facts for logs and variables.
    pub info: Arc<RouteInfo>,
    /// `status`: a disabled route is not indexed.
    pub enabled: bool,
    /// Larger wins among routes on the same path.
    pub priority: i64,
    /// Host patterns, lower-cased; the service's when the route has none.
    pub hosts: Vec<Arc<str>>,
    /// Path patterns.
    pub patterns: Vec<Arc<PathPattern>>,
    /// Conditions beyond host and path.
    pub filters: Filters,
    /// Whether anybody reads the captures of the path.
    pub wants_params: bool,
    /// Its plugins.
    pub chain: Arc<Chain>,
    /// Plugins of the global rules, when they differ for this route.
    pub global: Option<Arc<Chain>>,
    /// Where it leads, or why it leads nowhere.
    pub upstream: Result<Arc<UpstreamRuntime>, Reason>,
    /// Limits of the route; they win over the upstream's.
    pub timeout: Option<Timeouts>,
    /// Whether `Upgrade` may be passed on.
    pub enable_websocket: bool,
}

impl CompiledRoute {
    pub(super) fn describe(&self) -> String {
        let target = match &self.upstream {
            Ok(upstream) => format!("{} {:?}", upstream.key, upstream.config),
            Err(reason) => reason.as_str().to_owned(),
        };
        let uris: Vec<&str> = self.patterns.iter().map(|pattern| &*pattern.text).collect();
        format!(
            "{:?} enabled {} priority {} hosts {:?} uris {uris:?} {:?} chain {:?} global {:?} \
             timeout {:?} websocket {} -> {target}",
            self.info,
            self.enabled,
            self.priority,
            self.hosts,
            self.filters,
            self.chain,
            self.global,
            self.timeout,
            self.enable_websocket,
        )
    }
}
