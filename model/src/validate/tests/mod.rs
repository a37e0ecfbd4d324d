mod texts;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::catalog::{NoPlugins, PluginPart, PluginSchemas};
use crate::schema::tests::arbitrary_json;

/// Three plugins: one with conditions, one that authenticates, one with metadata.
struct Catalog {
    limit: Value,
    auth: Value,
    auth_consumer: Value,
    logger: Value,
    logger_metadata: Value,
}

impl Catalog {
    fn new() -> Self {
        Self {
            limit: json!({
                "type": "object",
                "properties": {
                    "count": {"type": "integer", "exclusiveMinimum": 0},
                    "policy": {"type": "string", "enum": ["local", "redis"], "default": "local"},
                    "redis_host": {"type": "string"}
                },
                "required": ["count"],
                "if": {"properties": {"policy": {"enum": ["redis"]}}},
                "then": {"required": ["redis_host"]}
            }),
            auth: json!({"type": "object", "properties": {"header": {"type": "string", "default": "apikey"}}}),
            auth_consumer: json!({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}),
            logger: json!({"type": "object", "additionalProperties": false}),
            logger_metadata: json!({"type": "object", "properties": {"log_format": {"type": "object"}}}),
        }
    }
}

impl PluginCatalog for Catalog {
    fn names(&self) -> Vec<&str> {
        vec!["key-auth", "limit-count", "http-logger"]
    }

    fn schemas(&self, name: &str) -> Option<PluginSchemas<'_>> {
        let (config, consumer, metadata, auth) = match name {
            "limit-count" => (&self.limit, None, None, false),
            "key-auth" => (&self.auth, Some(&self.auth_consumer), None, true),
            "http-logger" => (&self.logger, None, Some(&self.logger_metadata), false),
            _ => return None,
        };
        Some(PluginSchemas {
            config,
            consumer,
            metadata,
            priority: 0,
            auth,
        })
    }

    fn stream_schemas(&self, name: &str) -> Option<PluginSchemas<'_>> {
        (name == "limit-count")
            .then(|| self.schemas(name))
            .flatten()
    }

    fn stream_names(&self) -> Vec<&str> {
        vec!["limit-count"]
    }

    fn check(&self, name: &str, _part: PluginPart, config: &Value) -> Result<(), String> {
        assert!(config.get("_meta").is_none(), "plugins do not see _meta");
        match name {
            "limit-count" if config["count"] == 13 => Err("13 brings bad luck".to_owned()),
            "limit-count" => {
                assert!(config.get("policy").is_some(), "defaults are filled in");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn judge(key: &str, spec: &Value) -> Validation {
    validate(&key.parse().unwrap(), spec, &Catalog::new())
}

fn first(key: &str, spec: &Value) -> String {
    judge(key, spec)
        .problems
        .into_iter()
        .next()
        .map(|problem| problem.message)
        .unwrap_or_default()
}

fn node() -> Value {
    json!({"127.0.0.1:80": 1})
}

#[test]
fn keys_of_chash_fit_what_is_hashed() {
    let hashed = |hash_on: &str, key: &str| {
        let spec = json!({"nodes": node(), "type": "chash", "hash_on": hash_on, "key": key});
        judge("upstreams/1", &spec).is_accepted()
    };
    for key in [
        "uri",
        "arg_user",
        "client_ip",
        "header_x-tenant",
        "http_x",
        "query_arg_id",
    ] {
        assert!(hashed("vars", key), "{key}");
    }
    assert!(!hashed("vars", "nonsense"));
    assert!(hashed("vars_combinations", "$uri$arg_a"));
    assert!(hashed("consumer", "anything at all"));
    assert!(judge("upstreams/1", &json!({"nodes": node(), "type": "chrr"})).is_accepted());
}

#[test]
fn consumers_and_credentials_are_checked_with_the_consumer_schema() {
    let consumer = |plugins: Value| json!({"username": "jack", "plugins": plugins});
    assert_eq!(
        first(
            "consumers/jack",
            &consumer(json!({"key-auth": {"key": "k"}}))
        ),
        ""
    );
    assert_eq!(
        first(
            "consumers/jack",
            &consumer(json!({"limit-count": {"count": 1}}))
        ),
        ""
    );
    assert_eq!(
        first("consumers/jack", &consumer(json!({"key-auth": {}}))),
        "invalid plugins configuration: failed to check the configuration of plugin key-auth err: \
         property \"key\" is required"
    );
    assert_eq!(
        first("consumers/jack", &json!({"plugins": {}})),
        "invalid configuration: property \"username\" is required"
    );
    assert_eq!(
        first(
            "credentials/jack/1",
            &json!({"plugins": {"limit-count": {"count": 1}}})
        ),
        "only supports auth type plugins in consumer credential"
    );
    assert_eq!(
        first(
            "credentials/jack/1",
            &json!({"plugins": {"key-auth": {"key": "a"}, "limit-count": {"count": 1}}})
        ),
        "invalid configuration: property \"plugins\" validation failed: expect object to have at most 1 properties"
    );
}

#[test]
fn the_id_of_the_path_counts_as_the_documents_own() {
    for key in ["plugin_configs/1", "consumer_groups/1", "global_rules/1"] {
        assert_eq!(first(key, &json!({"plugins": {}})), "", "{key}");
    }
    assert_eq!(
        first("routes/a b", &json!({"uri": "/", "service_id": 1})),
        "invalid configuration: property \"id\" validation failed: object matches none of the required"
    );
}

#[test]
fn metadata_and_secrets_are_checked_by_what_their_key_names() {
    assert_eq!(
        first("plugin_metadata/nothing", &json!({})),
        "invalid plugin name"
    );
    assert_eq!(
        first(
            "plugin_metadata/http-logger",
            &json!({"id": "http-logger", "log_format": {}})
        ),
        ""
    );
    assert_eq!(
        first("plugin_metadata/http-logger", &json!({"log_format": 1})),
        "invalid configuration: property \"log_format\" validation failed: wrong type: expected object, got number"
    );
    assert_eq!(
        first("plugin_metadata/key-auth", &json!({"x": 1})),
        "invalid configuration: additional properties forbidden, found x"
    );
    assert_eq!(
        first("secrets/safe/1", &json!({})),
        "invalid secret manager: safe"
    );
    assert_eq!(
        first(
            "secrets/vault/1",
            &json!({"uri": "http://127.0.0.1:8200", "prefix": "kv"})
        ),
        "invalid configuration: property \"token\" is required"
    );
    let vault = json!({"uri": "http://127.0.0.1:8200", "prefix": "kv", "token": "t"});
    assert_eq!(first("secrets/vault/1", &vault), "");
}

#[test]
fn registries_are_checked_by_their_type() {
    assert_eq!(
        first("registries/1", &json!({"type": "etcd"})),
        "invalid configuration: property \"type\" validation failed: matches none of the enum values"
    );
    assert_eq!(
        first("registries/1", &json!({"type": "consul"})),
        "invalid configuration: property \"servers\" is required"
    );
    for spec in [
        json!({"type": "consul", "servers": ["http://127.0.0.1:8500"], "tls": {"verify": false}}),
        json!({"type": "nacos", "host": ["http://127.0.0.1:8848"]}),
        json!({"type": "eureka", "host": ["http://127.0.0.1:8761"]}),
        json!({"type": "dns", "servers": ["127.0.0.1:53"]}),
        json!({"type": "kubernetes"}),
    ] {
        assert_eq!(first("registries/1", &spec), "", "{spec}");
    }
    assert_eq!(
        first(
            "registries/1",
            &json!({"type": "dns", "servers": ["dns.example"]})
        ),
        "invalid configuration: expected a resolver as IP or IP:PORT, got dns.example"
    );
}

#[test]
fn certificates_are_parsed() {
    let bad = "x".repeat(200);
    let pair = rcgen::generate_simple_self_signed(vec!["a.com".to_owned()]).unwrap();
    let (cert, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    for (spec, text) in [
        (json!({"sni": "a.com", "cert": cert, "key": key}), ""),
        (
            json!({"snis": ["a.com"], "cert": cert, "key": key, "certs": [cert], "keys": [key]}),
            "",
        ),
        (
            json!({"sni": "a.com", "cert": "$secret://vault/1/a/cert", "key": "$env://KEY"}),
            "",
        ),
        (
            json!({"sni": "a.com", "cert": bad, "key": key}),
            "failed to parse cert: no certificate found in PEM",
        ),
        (
            json!({"sni": "a.com", "cert": cert, "key": bad}),
            "failed to parse key: no items found",
        ),
        (
            json!({"sni": "a.com", "cert": cert, "key": key, "certs": [cert]}),
            "mismatched number of certs and keys",
        ),
        (
            json!({"sni": "a.com", "cert": cert, "key": key, "certs": [bad], "keys": [key]}),
            "failed to handle cert-key pair[1]: failed to parse cert: no certificate found in PEM",
        ),
        (
            json!({"sni": "a.com", "cert": cert, "key": key, "client": {"ca": bad}}),
            "failed to validate client_cert: failed to parse cert: no certificate found in PEM",
        ),
        (
            json!({"cert": cert, "key": key}),
            "invalid configuration: then clause did not match",
        ),
        (
            json!({"type": "client", "cert": cert}),
            "invalid configuration: else clause did not match",
        ),
        (json!({"type": "client", "cert": cert, "key": key}), ""),
    ] {
        assert_eq!(first("ssls/1", &spec), text, "{spec}");
    }
}

#[test]
fn stream_plugins_have_a_text_of_their_own() {
    let spec = json!({"plugins": {"limit-count": {}}, "upstream": {"nodes": {}}});
    assert_eq!(
        first("stream_routes/1", &spec),
        "failed to check the configuration of stream plugin [limit-count]: property \"count\" is required"
    );
    let spec = json!({"plugins": {"key-auth": {}}, "upstream": {"nodes": {}}});
    assert_eq!(
        first("stream_routes/1", &spec),
        "unknown plugin [key-auth]: it does not run on streams, which take limit-count"
    );
    let spec = json!({"plugins": {"nothing": {}}, "upstream": {"nodes": {}}});
    assert_eq!(first("stream_routes/1", &spec), "unknown plugin [nothing]");
}

#[test]
fn protocols_inside_of_streams_are_refused() {
    let spec = json!({"protocol": {"name": "redis"}, "upstream": {"nodes": {}}});
    assert_eq!(
        first("stream_routes/1", &spec),
        "invalid configuration: protocol: expected none: protocols inside of streams (xRPC) are \
         not supported"
    );
}

#[test]
fn a_disabled_plugin_may_be_invalid() {
    let spec = json!({"uri": "/", "plugins": {"limit-count": {"_meta": {"disable": true}}}});
    assert_eq!(judge("routes/1", &spec).problems, []);
}

#[test]
fn all_problems_are_collected_with_their_places() {
    let spec = json!({
        "uri": 1, "priority": "high",
        "plugins": {"limit-count": {"count": 0}, "key-auth": {"header": 1}}
    });
    let paths: Vec<String> = judge("routes/1", &spec)
        .problems
        .into_iter()
        .map(|problem| problem.path)
        .collect();
    assert_eq!(
        paths,
        [
            "priority",
            "uri",
            "plugins.limit-count.count",
            "plugins.key-auth.header"
        ]
    );
}

#[test]
fn ignored_fields_are_named_with_their_nearest() {
    let spec = json!({
        "uri": "/",
        "upstream": {"nodes": node(), "checks": {"active": {"http_pth": "/"}}},
        "plugins": {"limit-count": {"count": 1, "polcy": "local", "_meta": {"priority": 1}}}
    });
    let validation = judge("routes/1", &spec);
    assert_eq!(validation.problems, []);
    let unknown = |path: &str, nearest: &str| UnknownField {
        path: path.to_owned(),
        nearest: Some(nearest.to_owned()),
    };
    assert_eq!(
        validation.unknown,
        [
            unknown("upstream.checks.active.http_pth", "http_path"),
            unknown("plugins.limit-count.polcy", "policy"),
        ]
    );
}

#[test]
fn what_agents_do_not_do_yet_is_named() {
    let pending = |key: &str, spec: Value| -> Vec<String> {
        let pending = judge(key, &spec).pending;
        pending.into_iter().map(|problem| problem.path).collect()
    };
    let spec = json!({"uri": "/", "enable_websocket": true, "upstream": {
        "nodes": node(), "scheme": "udp", "checks": {"passive": {}}, "fallback_upstream_id": 1,
        "dns_ttl": 5
    }});
    assert_eq!(pending("routes/1", spec), ["upstream.scheme"]);
    assert_eq!(
        pending("upstreams/1", json!({"nodes": node(), "type": "magic"})),
        ["type"]
    );
    assert!(pending("protos/1", json!({"content": "syntax"})).is_empty());
    assert!(
        pending(
            "routes/1",
            json!({"uri": "/", "service_id": 1, "enable_websocket": true})
        )
        .is_empty()
    );
    assert!(
        pending(
            "upstreams/1",
            json!({"nodes": node(), "type": "chrr", "scheme": "http"})
        )
        .is_empty()
    );
}

proptest! {
    #[test]
    fn any_document_is_judged_without_panic(doc in arbitrary_json(), kind in 0..Kind::ALL.len()) {
        let key = Key::new(Kind::ALL[kind], "vault/1");
        let _ = validate(&key, &doc, &NoPlugins);
        let _ = crate::references::references(key.kind, &doc);
    }

    #[test]
    fn any_plugin_configuration_is_judged_without_panic(config in arbitrary_json()) {
        let spec = json!({"uri": "/", "plugins": {"limit-count": config, "key-auth": config}});
        let _ = judge("routes/1", &spec);
    }
}
