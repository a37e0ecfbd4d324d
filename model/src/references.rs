//! What a document points at: other resources, and keys that must be unique.

use serde_json::Value;

use crate::field::id;
use crate::resource::{Key, Kind};
use crate::secret::is_reference;

/// A pointer from one document to another resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Dotted path of the pointing field.
    pub path: String,
    /// What it points at. For `discovery_args.registry` the id is the name of the registry.
    pub target: Key,
}

/// Plugins that hold a reference to an upstream by id, at any depth of their configuration.
const UPSTREAM_PLUGINS: [&str; 1] = ["traffic-split"];

/// Attributes that name a caller and so must be unique among consumers and credentials.
const CREDENTIAL_KEYS: [(&str, &str); 6] = [
    ("key-auth", "key"),
    ("basic-auth", "username"),
    ("jwt-auth", "key"),
    ("hmac-auth", "key_id"),
    ("ldap-auth", "user_dn"),
    ("ldap-auth-advanced", "user_dn"),
];

/// Everything that a document points at, in the order in which APISIX looks for it: upstream,
/// service, plugin config, then what plugins point at. The pointer from a credential to its
/// consumer stands in its key: see [`crate::credential::Credential::consumer_of`].
#[must_use]
pub fn references(kind: Kind, spec: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    match kind {
        Kind::Route => {
            upstream_of(&mut found, spec);
            push(&mut found, spec, "", "service_id", Kind::Service);
            push(&mut found, spec, "", "plugin_config_id", Kind::PluginConfig);
        }
        Kind::Service => upstream_of(&mut found, spec),
        Kind::StreamRoute => {
            upstream_of(&mut found, spec);
            push(&mut found, spec, "", "service_id", Kind::Service);
            if let Some(protocol) = spec.get("protocol") {
                push(
                    &mut found,
                    protocol,
                    "protocol.",
                    "superior_id",
                    Kind::StreamRoute,
                );
            }
        }
        Kind::Upstream => upstream(&mut found, spec, ""),
        Kind::Consumer => push(&mut found, spec, "", "group_id", Kind::ConsumerGroup),
        Kind::GraphqlCostDecoration => {
            push(&mut found, spec, "", "service_id", Kind::Service);
        }
        _ => {}
    }
    plugins(&mut found, spec);
    found
}

/// Texts by which a request finds its consumer: the plugin, and the value of its key attribute.
/// References to secrets are left out: what they hold is known only where they are read.
#[must_use]
pub fn credential_keys(kind: Kind, spec: &Value) -> Vec<(&'static str, String)> {
    if !matches!(kind, Kind::Consumer | Kind::Credential) {
        return Vec::new();
    }
    let Some(plugins) = spec.get("plugins") else {
        return Vec::new();
    };
    CREDENTIAL_KEYS
        .into_iter()
        .filter_map(|(plugin, attribute)| {
            let value = plugins.get(plugin)?.get(attribute)?.as_str()?;
            (!is_reference(value)).then(|| (plugin, value.to_owned()))
        })
        .collect()
}

/// The upstream that a document is, or the one that is written inside it.
#[must_use]
pub fn own_upstream(kind: Kind, spec: &Value) -> Option<&Value> {
    match kind {
        Kind::Upstream => Some(spec),
        Kind::Route | Kind::Service | Kind::StreamRoute => spec.get("upstream"),
        _ => None,
    }
}

/// The upstreams that are written inside the plugins of a document.
pub fn plugin_upstreams(spec: &Value) -> impl Iterator<Item = &Value> {
    let plugins = spec.get("plugins");
    UPSTREAM_PLUGINS
        .into_iter()
        .filter_map(move |name| plugins?.get(name))
        .flat_map(choices)
        .filter_map(|(_, choice)| choice.get("upstream"))
}

fn push(found: &mut Vec<Reference>, from: &Value, path: &str, field: &str, kind: Kind) {
    if let Some(id) = from.get(field).and_then(id::text) {
        found.push(Reference {
            path: format!("{path}{field}"),
            target: Key::new(kind, id),
        });
    }
}

fn upstream_of(found: &mut Vec<Reference>, spec: &Value) {
    if let Some(inline) = spec.get("upstream") {
        upstream(found, inline, "upstream.");
    }
    push(found, spec, "", "upstream_id", Kind::Upstream);
}

fn upstream(found: &mut Vec<Reference>, spec: &Value, path: &str) {
    push(found, spec, path, "fallback_upstream_id", Kind::Upstream);
    if let Some(tls) = spec.get("tls") {
        let path = format!("{path}tls.");
        for field in ["client_cert_id", "client_key_id", "upstream_validation_id"] {
            push(found, tls, &path, field, Kind::Ssl);
        }
    }
    if let Some(args) = spec.get("discovery_args") {
        let path = format!("{path}discovery_args.");
        push(found, args, &path, "registry", Kind::Registry);
    }
}

fn plugins(found: &mut Vec<Reference>, spec: &Value) {
    let Some(plugins) = spec.get("plugins").and_then(Value::as_object) else {
        return;
    };
    for (name, config) in plugins {
        let path = format!("plugins.{name}");
        if UPSTREAM_PLUGINS.contains(&name.as_str()) {
            split(found, config, &path);
        }
        if name == "grpc-transcode" {
            push(found, config, &format!("{path}."), "proto_id", Kind::Proto);
        }
    }
}

/// The weighted upstreams of traffic-split: each by reference, or written in place.
fn split(found: &mut Vec<Reference>, config: &Value, path: &str) {
    for ((r, u), choice) in choices(config) {
        let path = format!("{path}.rules[{r}].weighted_upstreams[{u}].");
        push(found, choice, &path, "upstream_id", Kind::Upstream);
        if let Some(inline) = choice.get("upstream") {
            upstream(found, inline, &format!("{path}upstream."));
        }
    }
}

/// The choices of traffic-split, with their places.
fn choices(config: &Value) -> impl Iterator<Item = ((usize, usize), &Value)> {
    items(config, "rules").flat_map(|(r, rule)| {
        items(rule, "weighted_upstreams").map(move |(u, choice)| ((r, u), choice))
    })
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    let items = value.get(field).and_then(Value::as_array);
    items.into_iter().flatten().enumerate()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(kind: Kind, spec: Value) -> Vec<String> {
        references(kind, &spec)
            .into_iter()
            .map(|reference| format!("{} -> {}", reference.path, reference.target))
            .collect()
    }

    #[test]
    fn a_route_points_at_what_it_uses() {
        let spec = json!({
            "uri": "/", "service_id": 1, "plugin_config_id": "p", "upstream_id": "u",
            "plugins": {
                "grpc-transcode": {"proto_id": 7},
                "traffic-split": {"rules": [{"weighted_upstreams": [
                    {"weight": 1},
                    {"upstream_id": "v2"},
                    {"upstream": {"nodes": {}, "tls": {"client_cert_id": "c"}}}
                ]}]}
            }
        });
        assert_eq!(
            texts(Kind::Route, spec),
            [
                "upstream_id -> upstreams/u",
                "service_id -> services/1",
                "plugin_config_id -> plugin_configs/p",
                "plugins.grpc-transcode.proto_id -> protos/7",
                "plugins.traffic-split.rules[0].weighted_upstreams[1].upstream_id -> upstreams/v2",
                "plugins.traffic-split.rules[0].weighted_upstreams[2].upstream.tls.client_cert_id -> ssls/c",
            ]
        );
    }

    #[test]
    fn an_upstream_points_at_certificates_fallback_and_registry() {
        let spec = json!({
            "nodes": {}, "fallback_upstream_id": "f",
            "tls": {"client_cert_id": "a", "client_key_id": "b", "upstream_validation_id": "c"},
            "discovery_args": {"registry": "main"}
        });
        assert_eq!(
            texts(Kind::Upstream, spec),
            [
                "fallback_upstream_id -> upstreams/f",
                "tls.client_cert_id -> ssls/a",
                "tls.client_key_id -> ssls/b",
                "tls.upstream_validation_id -> ssls/c",
                "discovery_args.registry -> registries/main",
            ]
        );
    }

    #[test]
    fn consumers_and_stream_routes_point_upwards() {
        assert_eq!(
            texts(Kind::Consumer, json!({"username": "jack", "group_id": "g"})),
            ["group_id -> consumer_groups/g"]
        );
        assert_eq!(
            texts(
                Kind::StreamRoute,
                json!({"protocol": {"name": "redis", "superior_id": 1}})
            ),
            ["protocol.superior_id -> stream_routes/1"]
        );
    }

    #[test]
    fn keys_of_callers_are_found() {
        let spec = json!({"plugins": {
            "key-auth": {"key": "k"}, "basic-auth": {"username": "u", "password": "p"},
            "limit-count": {"key": "remote_addr"}
        }});
        assert_eq!(
            credential_keys(Kind::Consumer, &spec),
            [("key-auth", "k".to_owned()), ("basic-auth", "u".to_owned())]
        );
        assert_eq!(credential_keys(Kind::Route, &spec), []);
        let hidden = json!({"plugins": {"key-auth": {"key": "$secret://vault/1/jack/key"}}});
        assert_eq!(credential_keys(Kind::Credential, &hidden), []);
    }
}
