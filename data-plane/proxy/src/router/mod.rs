//! Which route a request takes: objects.md section 4, in the three router modes.
//!
//! Hosts are indexed first (`radixtree_host_uri`), below each host lie exact paths, prefixes and
//! regular expressions. The index is persistent: a clone is cheap, and a change copies what it
//! touches. A lookup costs as many steps as the request path has segments that routes know.

mod candidate;
mod edit;
mod explain;
mod group;
pub(crate) mod hash;
mod hosts;
mod methods;
pub(crate) mod names;
mod params;
mod paths;
mod pattern;
pub(crate) mod table;

use std::ops::ControlFlow;
use std::sync::Arc;

use weir_plugin_api::{Host, RequestHead};

pub use candidate::{Candidate, Filters, Unmet};
pub use explain::{NearMiss, Why};
pub use methods::Methods;
pub use pattern::{Capture, PathPattern};

use candidate::Asks;
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
pub struct RouteMatch<'r> {
    /// The route. Not counted as held: that would wait for its memory.
    pub route: &'r Arc<CompiledRoute>,
    /// Captures: name or number, and value.
    pub params: Vec<Capture>,
    pattern: u16,
    host: u16,
}

impl RouteMatch<'_> {
    /// The path pattern that matched.
    #[must_use]
    pub fn matched_uri(&self) -> Arc<str> {
        let pattern = self.route.patterns.get(usize::from(self.pattern));
        pattern
            .map(|pattern| Arc::clone(&pattern.text))
            .unwrap_or_default()
    }

    /// The host pattern that matched; empty when the route has none.
    #[must_use]
    pub fn matched_host(&self) -> Arc<str> {
        let host = self.route.hosts.get(usize::from(self.host));
        host.map(Arc::clone).unwrap_or_default()
    }
}

/// The index. Immutable once it is part of a runtime; its clones share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct Router {
    settings: RouterSettings,
    hosts: Hosts,
    paths: Paths,
}

impl Router {
    /// An index without routes.
    #[must_use]
    pub fn new(settings: RouterSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// The static switches that it was made with.
    #[must_use]
    pub fn settings(&self) -> RouterSettings {
        self.settings
    }

    /// Indexes a route, unless it is disabled.
    pub fn insert(&mut self, route: &Arc<CompiledRoute>) {
        self.each_entry(route, |paths, host, candidate| {
            paths.insert(host, candidate)
        });
    }

    /// Takes a route out that was indexed.
    pub fn remove(&mut self, route: &Arc<CompiledRoute>) {
        self.each_entry(route, |paths, host, candidate| {
            paths.remove(host, &candidate)
        });
        for host in &route.hosts {
            self.hosts.tidy(host);
        }
    }

    fn each_entry(
        &mut self,
        route: &Arc<CompiledRoute>,
        mut change: impl FnMut(&mut Paths, &mut hosts::Host, Candidate),
    ) {
        if !route.enabled {
            return;
        }
        let by_host = self.settings.mode == RouterMode::HostUri && !route.hosts.is_empty();
        let none = [Arc::default()];
        let hosts = if by_host { &route.hosts[..] } else { &none };
        for (host, text) in (0..).zip(hosts) {
            let Some(entry) = self.hosts.entry(text) else {
                continue;
            };
            for (number, pattern) in (0..).zip(&route.patterns) {
                let candidate = Candidate {
                    route: Arc::clone(route),
                    pattern: number,
                    host,
                    by_host,
                    asks: Asks::of(route, pattern, by_host),
                };
                change(&mut self.paths, entry, candidate);
            }
        }
    }

    /// The route of a request; `None` when none fits. With `captures` the path is taken apart also
    /// for routes that have no use for it themselves.
    ///
    /// Where a condition looks at the body, which was not read, the answer does not count: the
    /// body says then that it is wanted.
    #[must_use]
    #[inline]
    pub fn find<'r>(
        &'r self,
        head: &RequestHead,
        services: &dyn Host,
        captures: bool,
    ) -> Option<RouteMatch<'r>> {
        let path = self.path(head);
        let found = self.visit(head, path, &mut |candidate: &'r Candidate| match candidate
            .check(path, head, services, captures)
        {
            Ok(fit) => ControlFlow::Break(RouteMatch {
                route: &candidate.route,
                params: fit.params,
                pattern: candidate.pattern,
                host: fit.host,
            }),
            Err(_) => ControlFlow::Continue(()),
        });
        found.break_value()
    }

    /// Shows the candidates for a request in the order in which they are asked, each with the
    /// first condition that the request does not meet, until `visit` breaks: for explanations.
    pub fn walk<B>(
        &self,
        head: &RequestHead,
        services: &dyn Host,
        mut visit: impl FnMut(&Candidate, Result<(), Unmet>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let path = self.path(head);
        self.visit(head, path, &mut |candidate: &Candidate| {
            let checked = candidate.check(path, head, services, true);
            visit(candidate, checked.map(drop))
        })
    }

    #[inline]
    fn visit<'r, B>(
        &'r self,
        head: &RequestHead,
        path: &str,
        visit: &mut impl FnMut(&'r Candidate) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.hosts
            .visit(head, &mut |host| self.paths.visit(host, path, visit))
    }

    /// The path as it is matched.
    #[inline]
    pub(crate) fn path<'h>(&self, head: &'h RequestHead) -> &'h str {
        let path = head.routed_path.as_deref().unwrap_or(&head.path);
        if self.settings.delete_uri_tail_slash && path.len() > 1 {
            return path.strip_suffix('/').unwrap_or(path);
        }
        path
    }

    /// What is indexed where, as text: two indexes that find the same describe the same.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut lines = self.paths.describe(&self.hosts);
        lines.extend(self.hosts.describe());
        lines.sort_unstable();
        lines.join("\n")
    }
}
