//! Which route a request takes: objects.md section 4, in the three router modes.
//!
//! Hosts are indexed first (`radixtree_host_uri`), below each host lie an exact map, a radix tree
//! of prefixes and the regular expressions. A lookup walks the host and the path once.

mod candidate;
mod hosts;
mod paths;
mod pattern;
mod tree;

use std::sync::Arc;

use weir_plugin_api::RequestHead;

pub use candidate::{Candidate, Filters};
pub use pattern::PathPattern;

use hosts::Hosts;
use paths::Paths;

use crate::runtime::CompiledRoute;

/// How the index is laid out, as APISIX's `router.http` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouterMode {
    /// Host first, then path.
    #[default]
    HostUri,
    /// Path first; the host is one more filter.
    Uri,
    /// Path first, with `:param` segments.
    UriWithParameter,
}

/// Static switches of matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouterSettings {
    /// Layout of the index.
    pub mode: RouterMode,
    /// Drops one trailing slash before matching.
    pub delete_uri_tail_slash: bool,
}

/// The route that a request takes, with what its pattern captured.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    /// The route.
    pub route: Arc<CompiledRoute>,
    /// Captures: name or number, and value.
    pub params: Vec<(Arc<str>, String)>,
    /// The path pattern that matched.
    pub matched_uri: Arc<str>,
    /// The host pattern that matched; empty when the route has none.
    pub matched_host: Arc<str>,
}

/// The index. Immutable.
#[derive(Debug, Default)]
pub struct Router {
    settings: RouterSettings,
    hosts: Hosts,
}

impl Router {
    /// Indexes routes; order of insertion is their order.
    #[must_use]
    pub fn new<'r>(
        settings: RouterSettings,
        routes: impl IntoIterator<Item = &'r Arc<CompiledRoute>>,
    ) -> Self {
        let mut hosts = Hosts::default();
        let none = [Arc::from("")];
        for route in routes.into_iter().filter(|route| route.enabled) {
            let by_host = settings.mode == RouterMode::HostUri && !route.hosts.is_empty();
            let indexed = if by_host { &route.hosts[..] } else { &none[..] };
            for host in indexed {
                let paths = hosts.entry(host);
                for pattern in &route.patterns {
                    paths.insert(Candidate {
                        route: Arc::clone(route),
                        pattern: Arc::clone(pattern),
                        host: Arc::clone(host),
                        check_hosts: !by_host && !route.hosts.is_empty(),
                    });
                }
            }
        }
        hosts.finish();
        Self { settings, hosts }
    }

    /// The route of a request; `None` when none fits.
    #[must_use]
    pub fn find(&self, head: &RequestHead) -> Option<RouteMatch> {
        let mut path = head.path.as_str();
        if self.settings.delete_uri_tail_slash && path.len() > 1 {
            path = path.strip_suffix('/').unwrap_or(path);
        }
        self.hosts
            .visit(head, |paths: &Paths| paths.find(path, head))
    }
}
