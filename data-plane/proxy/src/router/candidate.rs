//! One path of one route, and the conditions behind it.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use ipnet::IpNet;
use weir_model::field::expr::Expr;
use weir_model::field::host;
use weir_model::field::variable::Variable;
use weir_model::route::HeaderMatch;
use weir_plugin_api::vars::HeadVariables;
use weir_plugin_api::{Host, RequestHead};

use super::pattern::{Capture, PathPattern};
use crate::runtime::CompiledRoute;

/// Conditions of a route beyond host, path and method.
#[derive(Debug, Default)]
pub struct Filters {
    /// Client networks; empty means all.
    pub remote_addrs: Box<[IpNet]>,
    /// Headers that must be there.
    pub headers: Box<[HeaderMatch]>,
    /// Expression on variables.
    pub vars: Expr,
    /// Whether the expression reads captures of the path.
    pub vars_read_params: bool,
}

impl Filters {
    /// The conditions, or none when nothing is asked for.
    #[must_use]
    pub fn of(remote_addrs: &[IpNet], headers: &[HeaderMatch], vars: &Expr) -> Option<Box<Self>> {
        let none = remote_addrs.is_empty() && headers.is_empty() && vars.is_empty();
        (!none).then(|| {
            Box::new(Self {
                remote_addrs: remote_addrs.into(),
                headers: headers.into(),
                vars: vars.clone(),
                vars_read_params: vars.variables().into_iter().any(Variable::is_parameter),
            })
        })
    }
}

/// The first condition of a route that a request does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// Its method.
    Method,
    /// The address of the client.
    RemoteAddr,
    /// The host, where it is not looked up first.
    Host,
    /// A header, by its place among those of the route.
    Header(usize),
    /// The expression on variables.
    Vars,
    /// The part of the path behind the literal text.
    Path,
}

/// An entry of the index.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The route.
    pub route: Arc<CompiledRoute>,
    /// Which of its paths.
    pub(super) pattern: u16,
    /// Which of its hosts; past the end when it has none.
    pub(super) host: u16,
    /// Whether it lies below that host; else the hosts are one more condition.
    pub(super) by_host: bool,
    /// What is known without a look at the route, which lies elsewhere in memory.
    pub(super) asks: Asks,
}

/// What a candidate asks of a request that host and path have led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Nothing, and there is nothing to capture.
    Nothing,
    /// Nothing; what its path captures, only somebody outside of the route may want.
    NoCaptures,
    /// What the route says.
    More,
}

impl Asks {
    pub(super) fn of(route: &CompiledRoute, pattern: &PathPattern, by_host: bool) -> Self {
        let free = route.methods.is_all()
            && route.filters.is_none()
            && (by_host || route.hosts.is_empty());
        if free && pattern.is_exact() {
            Self::Nothing
        } else if free && pattern.is_prefix() && !route.wants_params {
            Self::NoCaptures
        } else {
            Self::More
        }
    }
}

/// What meeting all conditions leads to.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) params: Vec<Capture>,
    /// Which of the route's hosts.
    pub(super) host: u16,
}

impl Candidate {
    /// The path pattern.
    #[must_use]
    pub fn pattern(&self) -> Option<&PathPattern> {
        self.route.patterns.get(usize::from(self.pattern))
    }

    /// The host pattern below which it was found, if any.
    #[must_use]
    pub fn host(&self) -> Option<&Arc<str>> {
        self.route.hosts.get(usize::from(self.host))
    }

    /// Whether it is the same entry of the same route.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.route, &other.route)
            && (self.pattern, self.host) == (other.pattern, other.host)
    }

    /// Order on one node of the index: priority, then the longer pattern, then the older route.
    /// Among regular expressions their length says nothing.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let length = |candidate: &Self| {
            let pattern = candidate.pattern();
            pattern.map_or(0, |pattern| {
                if pattern.is_regex() {
                    0
                } else {
                    pattern.text.len()
                }
            })
        };
        let rank = |candidate: &Self| (candidate.route.priority, length(candidate));
        let age = |candidate: &Self| candidate.route.created;
        Reverse(rank(self))
            .cmp(&Reverse(rank(other)))
            .then_with(|| age(self).cmp(&age(other)))
            .then_with(|| self.route.info.id.cmp(&other.route.info.id))
            .then_with(|| (self.pattern, self.host).cmp(&(other.pattern, other.host)))
    }

    /// Checks the conditions in order: method, address, host, headers, vars, and the pattern of
    /// the whole path, which captures are taken of when `wanted`.
    #[inline]
    pub(super) fn check(
        &self,
        path: &str,
        head: &RequestHead,
        services: &dyn Host,
        wanted: bool,
    ) -> Result<Fit, Unmet> {
        if self.asks == Asks::Nothing || (self.asks == Asks::NoCaptures && !wanted) {
            return Ok(Fit {
                params: Vec::new(),
                host: self.host,
            });
        }
        let route = &*self.route;
        if !route.methods.contains(&head.method) {
            return Err(Unmet::Method);
        }
        let filters = route.filters.as_deref();
        if let Some(filters) = filters.filter(|filters| !filters.remote_addrs.is_empty()) {
            let client = head.client_ip.to_canonical();
            if !filters.remote_addrs.iter().any(|net| net.contains(&client)) {
                return Err(Unmet::RemoteAddr);
            }
        }
        let host = if self.by_host || route.hosts.is_empty() {
            self.host
        } else {
            fitting_host(route, head).ok_or(Unmet::Host)?
        };
        let wanted = wanted || route.wants_params;
        let Some(filters) = filters else {
            let params = self.capture(path, wanted).ok_or(Unmet::Path)?;
            return Ok(Fit { params, host });
        };
        if let Some(unmet) = filters.headers.iter().position(|header| !has(header, head)) {
            return Err(Unmet::Header(unmet));
        }
        let holds = |params: &[Capture]| {
            let variables = HeadVariables {
                head,
                params,
                host: services,
            };
            filters.vars.is_empty() || filters.vars.eval(&variables)
        };
        // Captures cost memory: they are taken once nothing else can fail, where that is possible.
        if !filters.vars_read_params && !holds(&[]) {
            return Err(Unmet::Vars);
        }
        let params = self.capture(path, wanted).ok_or(Unmet::Path)?;
        if filters.vars_read_params && !holds(&params) {
            return Err(Unmet::Vars);
        }
        Ok(Fit { params, host })
    }

    #[inline]
    fn capture(&self, path: &str, wanted: bool) -> Option<Vec<Capture>> {
        self.pattern()?.capture(path, wanted)
    }
}

/// Which of the route's hosts fits.
pub(super) fn fitting_host(route: &CompiledRoute, head: &RequestHead) -> Option<u16> {
    let fits = |pattern: &Arc<str>| {
        host::fits(pattern, &head.host)
            || (host::holds_port(pattern)
                && host::fits(pattern, &head.authority.to_ascii_lowercase()))
    };
    let at = route.hosts.iter().position(fits)?;
    u16::try_from(at).ok()
}

fn has(header: &HeaderMatch, head: &RequestHead) -> bool {
    let values = head.headers.get_all(header.name.as_str());
    values
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| header.value.matches(text)))
}
