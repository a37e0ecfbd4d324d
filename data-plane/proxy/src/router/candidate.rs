//! One path of one route below one host, and the conditions behind it.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;
use weir_model::field::expr::Expr;
use weir_model::route::HeaderMatch;
use weir_plugin_api::RequestHead;
use weir_plugin_api::vars::HeadVariables;

use super::RouteMatch;
use super::hosts::host_fits;
use super::pattern::{Capture, PathPattern};
use crate::runtime::CompiledRoute;

/// Conditions of a route beyond host and path.
#[derive(Debug, Default)]
pub struct Filters {
    /// Methods; empty means all.
    pub methods: Vec<Method>,
    /// Client networks; empty means all.
    pub remote_addrs: Vec<IpNet>,
    /// Headers that must be there.
    pub headers: Vec<HeaderMatch>,
    /// Expression on variables.
    pub vars: Expr,
    /// Whether the expression reads captures of the path.
    pub vars_read_params: bool,
}

impl Filters {
    /// Whether an expression reads captures of the path: `uri_param_NAME`, or a number.
    #[must_use]
    pub fn reads_params(vars: &Expr) -> bool {
        vars.variables().iter().any(|name| {
            name.starts_with("uri_param_") || name.bytes().all(|byte| byte.is_ascii_digit())
        })
    }
}

/// An entry of the index.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The route.
    pub route: Arc<CompiledRoute>,
    /// Which of its paths.
    pub pattern: Arc<PathPattern>,
    /// Below which host; empty for none.
    pub host: Arc<str>,
    /// Whether the host is still to be checked (modes without host index).
    pub check_hosts: bool,
}

impl Candidate {
    /// Order on one node of the tree: priority, then the longer pattern, then insertion (the sort
    /// is stable).
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let rank = |candidate: &Self| (candidate.route.priority, candidate.pattern.text.len());
        Reverse(rank(self)).cmp(&Reverse(rank(other)))
    }

    /// The match, when every condition holds: method, address, host, headers, vars, and the
    /// pattern of the whole path.
    pub(super) fn fits(&self, path: &str, head: &RequestHead) -> Option<RouteMatch> {
        let filters = &self.route.filters;
        if !filters.methods.is_empty() && !filters.methods.contains(&head.method) {
            return None;
        }
        if !filters.remote_addrs.is_empty() {
            let client = head.client_ip.to_canonical();
            if !filters.remote_addrs.iter().any(|net| net.contains(&client)) {
                return None;
            }
        }
        let host = if self.check_hosts {
            self.route.hosts.iter().find(|host| host_fits(host, head))?
        } else {
            &self.host
        };
        if !filters
            .headers
            .iter()
            .all(|header| header_fits(header, head))
        {
            return None;
        }
        // Captures cost memory: they are taken once nothing else can fail, where that is possible.
        if !filters.vars_read_params && !self.vars_hold(head, &[]) {
            return None;
        }
        let params = self.pattern.capture(path, self.route.wants_params)?;
        if filters.vars_read_params && !self.vars_hold(head, &params) {
            return None;
        }
        Some(RouteMatch {
            route: Arc::clone(&self.route),
            params,
            matched_uri: Arc::clone(&self.pattern.text),
            matched_host: Arc::clone(host),
        })
    }

    fn vars_hold(&self, head: &RequestHead, params: &[Capture]) -> bool {
        let vars = &self.route.filters.vars;
        vars.is_empty() || vars.eval(&HeadVariables { head, params })
    }
}

fn header_fits(header: &HeaderMatch, head: &RequestHead) -> bool {
    let values = head.headers.get_all(header.name.as_str());
    values
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| header.value.matches(text)))
}
