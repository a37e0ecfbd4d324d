//! Services: settings shared by routes.

use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::field::id;
use crate::field::labels::Labels;
use crate::plugin::Plugins;
use crate::resource::{Id, Kind};
use crate::route::{lower, unsupported};
use crate::upstream::{Scheme, Upstream};
use crate::validate::Problem;

/// A service in normal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// Host patterns in lower case, from `host` or `hosts`, for routes without any.
    pub hosts: Vec<String>,
    /// Plugins by name.
    pub plugins: Plugins,
    /// The upstream by reference; wins over `upstream`.
    pub upstream_id: Option<Id>,
    /// The upstream written inside the service.
    pub upstream: Option<Upstream>,
    /// Whether Upgrade is passed on, for routes that do not say.
    pub enable_websocket: Option<bool>,
    /// Host sent to the nodes, laid over the service's upstream for its routes only.
    pub upstream_host: Option<String>,
    /// Scheme towards the nodes, laid over the service's upstream for its routes only.
    pub scheme: Option<Scheme>,
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    plugins: Plugins,
    #[serde(default, deserialize_with = "id::optional")]
    upstream_id: Option<Id>,
    upstream: Option<Value>,
    enable_websocket: Option<bool>,
    upstream_host: Option<String>,
    scheme: Option<Scheme>,
}

impl Service {
    /// Reads a document: schema checked, defaults filled, spellings unified.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        let raw: Raw = document::read(Kind::Service, spec)?;
        if let Some(problem) = unsupported(spec).into_iter().next() {
            return Err(problem);
        }
        Ok(Self {
            name: raw.name,
            labels: raw.labels,
            hosts: lower(raw.hosts),
            plugins: raw.plugins,
            upstream_id: raw.upstream_id,
            upstream: raw.upstream.map(Upstream::inline).transpose()?,
            enable_websocket: raw.enable_websocket,
            upstream_host: raw.upstream_host,
            scheme: raw.scheme,
        })
    }

    /// Whether it says something about its upstream that the upstream does not say itself.
    #[must_use]
    pub fn has_overlay(&self) -> bool {
        self.upstream_host.is_some() || self.scheme.is_some()
    }

    /// Lays the service's own `upstream_host` and `scheme` over an upstream.
    #[must_use]
    pub fn overlay(&self, mut upstream: Upstream) -> Upstream {
        if let Some(host) = &self.upstream_host {
            upstream.pass_host = crate::upstream::PassHost::Rewrite;
            upstream.upstream_host = Some(host.clone());
        }
        if let Some(scheme) = self.scheme {
            upstream.scheme = scheme;
        }
        upstream
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::upstream::PassHost;

    #[test]
    fn a_service_needs_nothing() {
        let service = Service::parse(&json!({})).unwrap();
        assert!(service.plugins.is_empty() && service.upstream.is_none());
    }

    #[test]
    fn its_host_and_scheme_lie_over_the_upstream() {
        let spec = json!({"upstream_host": "in.local", "scheme": "https"});
        let service = Service::parse(&spec).unwrap();
        let upstream = Upstream::parse(&json!({"nodes": {"a:1": 1}})).unwrap();
        let laid = service.overlay(upstream.clone());
        assert_eq!(laid.pass_host, PassHost::Rewrite);
        assert_eq!(laid.upstream_host.as_deref(), Some("in.local"));
        assert_eq!(laid.scheme, Scheme::Https);
        assert_eq!(
            Service::parse(&json!({}))
                .unwrap()
                .overlay(upstream.clone()),
            upstream
        );
    }
}
