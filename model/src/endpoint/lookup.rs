//! What upstreams look up, and the name under which the answer travels.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::references;
use crate::resource::{Id, Kind};
use crate::upstream::Upstream;

/// How long an empty or strongly shrunken answer is held, where the upstream does not say it.
pub const GRACE: Duration = Duration::from_secs(30);

/// One lookup: what, where, and how its answers are treated. Upstreams that say the same share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup {
    /// Type of the registry.
    pub kind: String,
    /// Name of the `registry` object; the only registry of the type otherwise.
    pub registry: Option<Id>,
    /// Name in the registry.
    pub service_name: String,
    /// Namespace, for Nacos and Consul.
    pub namespace_id: Option<String>,
    /// Group, for Nacos.
    pub group_name: Option<String>,
    /// Resolvers instead of those of the registry, for DNS.
    pub resolvers: Vec<String>,
    /// Life of an answer instead of that of the records, for DNS.
    pub ttl: Option<Duration>,
    /// How long an empty or strongly shrunken answer is held.
    pub grace: Duration,
}

/// What stands for a type of registry in lookups of names.
const NAME: &str = "name";

impl Lookup {
    /// The lookup of a node's name, which the agent answers itself.
    #[must_use]
    pub fn of_name(name: &str, upstream: &Upstream) -> Self {
        Self {
            kind: NAME.to_owned(),
            registry: None,
            service_name: name.to_owned(),
            namespace_id: None,
            group_name: None,
            resolvers: upstream.dns_resolver.clone(),
            ttl: upstream.dns_ttl,
            grace: GRACE,
        }
    }

    /// The name of this lookup: equal lookups, equal keys.
    #[must_use]
    pub fn key(&self) -> EndpointKey {
        let mut text = String::new();
        escape(&self.kind, "/", &mut text);
        text.push('/');
        text.push_str(self.registry.as_deref().unwrap_or("*"));
        text.push('/');
        escape(&self.service_name, "", &mut text);
        let mut before = '?';
        let mut pair = |name: &str, value: &str| {
            text.push(std::mem::replace(&mut before, '&'));
            text.push_str(name);
            text.push('=');
            escape(value, "", &mut text);
        };
        if let Some(namespace) = &self.namespace_id {
            pair("namespace", namespace);
        }
        if let Some(group) = &self.group_name {
            pair("group", group);
        }
        for resolver in &self.resolvers {
            pair("resolver", resolver);
        }
        if let Some(ttl) = self.ttl {
            pair("ttl", &ttl.as_millis().to_string());
        }
        if self.grace != GRACE {
            pair("grace", &self.grace.as_millis().to_string());
        }
        EndpointKey(Arc::from(text))
    }
}

/// Percent-encodes what would make two keys look alike.
fn escape(text: &str, more: &str, out: &mut String) {
    for character in text.chars() {
        let special = matches!(character, '%' | '?' | '&' | '=') || more.contains(character);
        if special || character.is_control() {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{:02X}", u32::from(character));
        } else {
            out.push(character);
        }
    }
}

/// Names a lookup, on the wire and on disk: `TYPE/REGISTRY/SERVICE?arguments`. Opaque to everyone
/// but [`Lookup::key`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey(Arc<str>);

impl EndpointKey {
    /// Takes the text of a key that came from elsewhere.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where in a document a lookup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the upstream that it is or carries.
    Upstream,
    /// In an upstream inside the configuration of one of its plugins.
    Plugin,
}

/// The lookups that a document asks for. Costs nothing but a look at a few fields for documents
/// without any; upstreams that cannot be read ask for nothing.
#[must_use]
pub fn lookups(kind: Kind, spec: &Value) -> Vec<Lookup> {
    let placed = placed_lookups(kind, spec).into_iter();
    placed.map(|(_, lookup)| lookup).collect()
}

/// [`lookups`] with their places.
#[must_use]
pub fn placed_lookups(kind: Kind, spec: &Value) -> Vec<(Place, Lookup)> {
    let own = references::own_upstream(kind, spec).map(|block| (Place::Upstream, block));
    let inside = references::plugin_upstreams(spec).map(|block| (Place::Plugin, block));
    let blocks = own.into_iter().chain(inside);
    blocks
        .filter_map(|(place, block)| Some((place, lookup(block)?)))
        .collect()
}

/// The names among the nodes of upstreams inside the configurations of plugins.
#[must_use]
pub fn plugin_names(spec: &Value) -> Vec<Lookup> {
    let blocks = references::plugin_upstreams(spec).filter(|block| block.get("nodes").is_some());
    let read = blocks.filter_map(|block| Upstream::parse(block).ok());
    read.flat_map(|upstream| upstream.names()).collect()
}

fn lookup(block: &Value) -> Option<Lookup> {
    block.get("discovery_type")?;
    Upstream::parse(block).ok()?.lookup()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(kind: Kind, spec: Value) -> Vec<String> {
        let found = lookups(kind, &spec);
        found
            .iter()
            .map(|lookup| lookup.key().to_string())
            .collect()
    }

    #[test]
    fn every_place_of_an_upstream_is_looked_at() {
        let block = json!({"discovery_type": "consul", "service_name": "web"});
        assert_eq!(keys(Kind::Upstream, block.clone()), ["consul/*/web"]);
        for kind in [Kind::Route, Kind::Service, Kind::StreamRoute] {
            assert_eq!(
                keys(kind, json!({"uri": "/", "upstream": block})),
                ["consul/*/web"]
            );
        }
        let split =
            json!({"rules": [{"weighted_upstreams": [{"weight": 1}, {"upstream": block}]}]});
        let spec = json!({"uri": "/", "plugins": {"traffic-split": split}});
        assert_eq!(keys(Kind::Route, spec), ["consul/*/web"]);
        assert!(keys(Kind::Upstream, json!({"nodes": {}})).is_empty());
        assert!(keys(Kind::Consumer, json!({"upstream": block})).is_empty());
    }

    #[test]
    fn the_key_says_all_that_the_answer_depends_on() {
        let spec = json!({
            "discovery_type": "nacos", "service_name": "a?b",
            "discovery_args": {
                "registry": 7, "namespace_id": "n&1", "group_name": "g", "grace_time": 2,
                "port": 81, "health_check_path": "/up"
            }
        });
        assert_eq!(
            keys(Kind::Upstream, spec),
            ["nacos/7/a%3Fb?namespace=n%261&group=g&grace=2000"]
        );
    }

    #[test]
    fn names_of_nodes_are_looked_up_once_each() {
        let spec = json!({
            "nodes": {"a.test:1": 1, "a.test:2": 1, "127.0.0.1:1": 1, "[::1]:1": 1,
                "unix:/run/a": 1, "b.test": 0},
            "dns_resolver": ["127.0.0.1:53"], "dns_ttl": 0.5
        });
        let names = |upstream: &Value| {
            let names = Upstream::parse(upstream).unwrap().names();
            let keys = names.iter().map(|name| name.key().to_string());
            keys.collect::<Vec<_>>()
        };
        let expected =
            ["a.test", "b.test"].map(|name| format!("name/*/{name}?resolver=127.0.0.1:53&ttl=500"));
        assert_eq!(names(&spec), expected);
        let split = json!({"rules": [{"weighted_upstreams": [{"upstream": spec}]}]});
        let inside = plugin_names(&json!({"plugins": {"traffic-split": split}}));
        assert_eq!(inside.len(), 2);
        assert!(
            lookups(Kind::Upstream, &spec).is_empty(),
            "no registry is asked"
        );
    }

    #[test]
    fn only_dns_depends_on_resolvers() {
        let spec = |kind: &str| {
            json!({
                "discovery_type": kind, "service_name": "web.example",
                "dns_resolver": ["127.0.0.1:53"], "dns_ttl": 0.5
            })
        };
        assert_eq!(
            keys(Kind::Upstream, spec("consul")),
            ["consul/*/web.example"]
        );
        assert_eq!(
            keys(Kind::Upstream, spec("dns")),
            ["dns/*/web.example?resolver=127.0.0.1:53&ttl=500"]
        );
    }
}
