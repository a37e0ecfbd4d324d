//! Which other routes a request nearly takes: by the index that requests use, and by a look at all
//! routes for those that the index does not even show. Costs time in the number of routes; never
//! part of a request.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use weir_plugin_api::{Host, RequestHead};

use super::candidate::{Unmet, fitting_host};
use super::pattern::PathPattern;
use super::{RouteMatch, Router};
use crate::runtime::CompiledRoute;

/// Why a route that is near is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Host and path lead to it, but a condition does not hold.
    Unmet(Unmet),
    /// It would be taken, but another one comes first.
    Shadowed,
    /// It is switched off.
    Disabled,
    /// The path fits, the host does not.
    Host,
    /// The path is nearly the one of the route.
    Path,
}

/// A route that is not taken.
#[derive(Debug, Clone)]
pub struct NearMiss {
    /// The route.
    pub route: Arc<CompiledRoute>,
    /// Which of its paths.
    pub pattern: u16,
    /// Why not.
    pub why: Why,
}

impl Router {
    /// The routes that come nearest to being taken instead of `found`, nearest first.
    pub fn near_misses<'r>(
        &self,
        head: &RequestHead,
        services: &dyn Host,
        found: Option<&RouteMatch<'_>>,
        routes: impl Iterator<Item = &'r Arc<CompiledRoute>>,
    ) -> Vec<NearMiss> {
        let address = |route: &Arc<CompiledRoute>| Arc::as_ptr(route).addr();
        let mut seen: HashSet<usize> = found
            .map(|found| address(found.route))
            .into_iter()
            .collect();
        let mut misses = Vec::new();
        // Of regular expressions nobody knows how near they are.
        let mut regexes = Vec::new();
        let asked: ControlFlow<()> = self.walk(head, services, |candidate, checked| {
            if seen.insert(address(&candidate.route)) {
                let why = checked.err().map_or(Why::Shadowed, Why::Unmet);
                let regex = candidate.pattern().is_some_and(PathPattern::is_regex);
                let list = match why {
                    Why::Unmet(Unmet::Path) if regex => &mut regexes,
                    _ => &mut misses,
                };
                list.push(NearMiss {
                    route: Arc::clone(&candidate.route),
                    pattern: candidate.pattern,
                    why,
                });
            }
            ControlFlow::Continue(())
        });
        debug_assert!(asked.is_continue());
        let path = self.path(head);
        let mut further: [Vec<NearMiss>; 3] = Default::default();
        for route in routes.filter(|route| !seen.contains(&address(route))) {
            let by_host = route.hosts.is_empty() || fitting_host(route, head).is_some();
            let of = |fits: &dyn Fn(&PathPattern) -> bool| {
                let place = route.patterns.iter().position(fits)?;
                u16::try_from(place).ok()
            };
            let fitting = of(&|pattern| pattern.fits(path));
            let (list, pattern, why) = match (fitting, by_host) {
                (Some(pattern), true) => (0, pattern, Why::Disabled),
                (Some(pattern), false) if route.enabled => (1, pattern, Why::Host),
                (None, true) if route.enabled => match of(&|pattern| pattern.is_near(path)) {
                    Some(pattern) => (2, pattern, Why::Path),
                    None => continue,
                },
                _ => continue,
            };
            if let Some(list) = further.get_mut(list) {
                list.push(NearMiss {
                    route: Arc::clone(route),
                    pattern,
                    why,
                });
            }
        }
        misses.extend(further.into_iter().flatten());
        misses.append(&mut regexes);
        misses
    }
}

impl PathPattern {
    /// Whether the whole path fits.
    fn fits(&self, path: &str) -> bool {
        let begins = path.starts_with(self.literal());
        begins
            && (!self.is_exact() || path == self.literal())
            && self.capture(path, false).is_some()
    }

    /// Whether only case or slashes at the end keep the path from fitting.
    fn is_near(&self, path: &str) -> bool {
        let plain = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
        let literal = self.literal();
        if self.is_regex() || literal.len() < 2 {
            return false;
        }
        plain(path) == plain(literal)
            || (!self.is_exact()
                && path
                    .get(..literal.len())
                    .is_some_and(|front| front.eq_ignore_ascii_case(literal)))
    }
}
