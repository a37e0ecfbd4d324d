//! The schemas of our own resources: files under `schemas/`, put together and compiled once.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::Compiled;
use crate::registry::TYPES;
use crate::resource::Kind;

/// A schema as text, as a value, and compiled.
struct Entry {
    text: &'static str,
    value: OnceLock<Value>,
    compiled: OnceLock<Compiled>,
}

impl Entry {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            value: OnceLock::new(),
            compiled: OnceLock::new(),
        }
    }

    fn value(&self) -> &Value {
        self.value.get_or_init(|| {
            // That every file parses is a test; a schema that did not would refuse everything.
            let mut value = serde_json::from_str(self.text).unwrap_or(Value::Bool(false));
            if let Some(upstream) = value.pointer_mut("/properties/upstream") {
                *upstream = UPSTREAM.value().clone();
            }
            value
        })
    }

    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| Compiled::new(self.value()))
    }
}

macro_rules! schemas {
    ($($name:ident = $file:literal;)*) => {
        $(static $name: Entry = Entry::new(include_str!(concat!("../../schemas/", $file, ".json")));)*

        #[cfg(test)]
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($file, include_str!(concat!("../../schemas/", $file, ".json")))),*];
    };
}

schemas! {
    ROUTE = "route";
    SERVICE = "service";
    UPSTREAM = "upstream";
    CONSUMER = "consumer";
    CREDENTIAL = "credential";
    CONSUMER_GROUP = "consumer_group";
    PLUGIN_CONFIG = "plugin_config";
    GLOBAL_RULE = "global_rule";
    SSL = "ssl";
    PLUGIN_METADATA = "plugin_metadata";
    STREAM_ROUTE = "stream_route";
    PROTO = "proto";
    GRAPHQL_COST_DECORATION = "graphql_cost_decoration";
    PLUGIN_META = "plugin_meta";
    VAULT = "secret/vault";
    AWS = "secret/aws";
    GCP = "secret/gcp";
    CONSUL = "registry/consul";
    CONSUL_KV = "registry/consul_kv";
    NACOS = "registry/nacos";
    EUREKA = "registry/eureka";
    DNS = "registry/dns";
    KUBERNETES = "registry/kubernetes";
}

/// What is said about a registry whose type is missing or not known.
static UNTYPED_REGISTRY: Entry = Entry::new(
    r#"{"type": "object", "required": ["type"], "properties": {"type": {"type": "string",
        "enum": ["consul", "consul_kv", "nacos", "eureka", "dns", "kubernetes"]}}}"#,
);

fn entry(kind: Kind) -> Option<&'static Entry> {
    Some(match kind {
        Kind::Route => &ROUTE,
        Kind::Service => &SERVICE,
        Kind::Upstream => &UPSTREAM,
        Kind::Consumer => &CONSUMER,
        Kind::Credential => &CREDENTIAL,
        Kind::ConsumerGroup => &CONSUMER_GROUP,
        Kind::PluginConfig => &PLUGIN_CONFIG,
        Kind::GlobalRule => &GLOBAL_RULE,
        Kind::Ssl => &SSL,
        Kind::PluginMetadata => &PLUGIN_METADATA,
        Kind::StreamRoute => &STREAM_ROUTE,
        Kind::Proto => &PROTO,
        Kind::GraphqlCostDecoration => &GRAPHQL_COST_DECORATION,
        Kind::Secret | Kind::Registry => return None,
    })
}

fn registry_entry(kind: &str) -> &'static Entry {
    match kind {
        "consul" => &CONSUL,
        "consul_kv" => &CONSUL_KV,
        "nacos" => &NACOS,
        "eureka" => &EUREKA,
        "dns" => &DNS,
        "kubernetes" => &KUBERNETES,
        _ => &UNTYPED_REGISTRY,
    }
}

/// The JSON schema of a kind, as the Admin API publishes it. Kinds with several forms (secrets,
/// registries) have one branch for each.
#[must_use]
pub fn object_schema(kind: Kind) -> &'static Value {
    static SECRET: OnceLock<Value> = OnceLock::new();
    static REGISTRY: OnceLock<Value> = OnceLock::new();
    match (entry(kind), kind) {
        (Some(entry), _) => entry.value(),
        (None, Kind::Secret) => {
            SECRET.get_or_init(|| json!({"anyOf": [VAULT.value(), AWS.value(), GCP.value()]}))
        }
        (None, _) => REGISTRY.get_or_init(|| {
            let branches: Vec<&Value> = TYPES.map(|kind| registry_entry(kind).value()).into();
            json!({"type": "object", "required": ["type"], "oneOf": branches})
        }),
    }
}

/// The compiled schema of a kind. For secrets and registries see [`secret_schema`] and
/// [`registry`], which know which form applies.
pub(crate) fn compiled(kind: Kind) -> &'static Compiled {
    static SEVERAL: [OnceLock<Compiled>; 2] = [const { OnceLock::new() }; 2];
    let [secret, registry] = &SEVERAL;
    match (entry(kind), kind) {
        (Some(entry), _) => entry.compiled(),
        (None, Kind::Secret) => secret.get_or_init(|| Compiled::new(object_schema(kind))),
        (None, _) => registry.get_or_init(|| Compiled::new(object_schema(kind))),
    }
}

/// The schema of a secret manager; `None` when there is no such manager.
pub(crate) fn secret_schema(manager: &str) -> Option<&'static Compiled> {
    match manager {
        "vault" => Some(VAULT.compiled()),
        "aws" => Some(AWS.compiled()),
        "gcp" => Some(GCP.compiled()),
        _ => None,
    }
}

/// The source of the schema that applies to a document of a kind with several forms.
pub(crate) fn source(kind: Kind, form: &str) -> &'static Value {
    match (kind, form) {
        (Kind::Registry, _) => registry_entry(form).value(),
        (Kind::Secret, "vault") => VAULT.value(),
        (Kind::Secret, "aws") => AWS.value(),
        (Kind::Secret, "gcp") => GCP.value(),
        _ => object_schema(kind),
    }
}

/// The schema that applies to a registry document, by its type.
pub(crate) fn registry(spec: &Value) -> &'static Compiled {
    let kind = spec.get("type").and_then(Value::as_str);
    registry_entry(kind.unwrap_or_default()).compiled()
}

/// The schema of `_meta`.
pub(crate) fn meta_schema() -> &'static Compiled {
    PLUGIN_META.compiled()
}
