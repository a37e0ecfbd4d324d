//! Laws of the table, and what the tests of the plugins share.

mod access;
mod transforming;

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use weir_model::{Key, Kind, PluginCatalog, PluginPart, schema};
use weir_plugin_api::{CompileContext, Context, Living, PluginDef, Response, Step};

use crate::{BUILTIN, Builtin, ON_STREAMS};

/// Compiles a configuration on the way that real ones take: schema, defaults, compiler.
pub(crate) fn compile_in<D: PluginDef>(
    mut config: Value,
    context: &CompileContext<'_>,
) -> Result<D::Compiled, String> {
    let schema: Value = serde_json::from_str(D::SCHEMA).unwrap();
    schema::check(&schema, &mut config).map_err(|problem| problem.message)?;
    D::compile(serde_json::from_value(config).unwrap(), context)
}

/// Compiles a configuration that stands alone.
pub(crate) fn compile<D: PluginDef>(config: Value) -> Result<D::Compiled, String> {
    compile_in::<D>(config, &CompileContext::dry())
}

/// Compiles a configuration that is known to be good.
pub(crate) fn plugin<D: PluginDef>(config: Value) -> D::Compiled {
    compile::<D>(config).unwrap()
}

/// What a good configuration is refused with.
pub(crate) fn refusal<D: PluginDef>(config: Value) -> String {
    match compile::<D>(config) {
        Ok(_) => panic!("it was accepted"),
        Err(text) => text,
    }
}

/// Surroundings of a plugin on route 1 with this fingerprint.
pub(crate) fn on_route<'a>(
    owner: &'a Key,
    fingerprint: &str,
    living: &Living,
    metadata: Option<Value>,
) -> CompileContext<'a> {
    CompileContext {
        owner: Some(owner),
        metadata: metadata.map(Arc::new),
        fingerprint: fingerprint.into(),
        living: living.clone(),
        ..CompileContext::dry()
    }
}

/// The answer that a step gives; `None` when it goes on at once.
pub(crate) fn answer(step: Step<'_>) -> Option<Response> {
    match step {
        Step::Continue => None,
        Step::Respond(response) => Some(*response),
        Step::Delay(delay) | Step::RespondAfter(delay, _) => panic!("it waits {delay:?}"),
        Step::ReadBody => panic!("it reads the body"),
        Step::Wait(_) => panic!("it waits"),
    }
}

/// What a step that waits comes to, when it comes to it at once.
pub(crate) fn at_once(step: Step<'_>) -> Step<'static> {
    match step {
        Step::Wait(future) => future.now_or_never().unwrap_or_else(|| panic!("it waits")),
        _ => panic!("it does not wait"),
    }
}

/// All values of a request header.
pub(crate) fn sent(context: &Context, name: &str) -> Vec<String> {
    let values = context.request.headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// Checks that `Config` has the defaults of the schema and a field for each of its properties.
fn config_follows_schema<C>(schema: &Value, minimal: Value)
where
    C: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let mut filled = minimal.clone();
    schema::check(schema, &mut filled).unwrap();
    let from_minimal: C = serde_json::from_value(minimal).unwrap();
    let from_filled: C = serde_json::from_value(filled).unwrap();
    assert_eq!(from_minimal, from_filled);
    let written = serde_json::to_value(&from_filled).unwrap();
    for property in schema["properties"].as_object().unwrap().keys() {
        assert!(written.get(property).is_some(), "no field {property}");
    }
}

fn schema_of(name: &str) -> &'static Value {
    Builtin.entry(name).unwrap().schema()
}

#[test]
fn configurations_follow_their_schemas() {
    config_follows_schema::<crate::key_auth::Config>(schema_of("key-auth"), json!({}));
    config_follows_schema::<crate::basic_auth::Config>(schema_of("basic-auth"), json!({}));
    config_follows_schema::<crate::jwt_auth::Config>(schema_of("jwt-auth"), json!({}));
    config_follows_schema::<crate::attach_consumer_label::Config>(
        schema_of("attach-consumer-label"),
        json!({"headers": {"a": "$b"}}),
    );
    config_follows_schema::<crate::cors::Config>(schema_of("cors"), json!({}));
    config_follows_schema::<crate::csrf::Config>(schema_of("csrf"), json!({"key": "k"}));
    config_follows_schema::<crate::echo::Config>(schema_of("echo"), json!({"body": "a"}));
    config_follows_schema::<crate::hmac_auth::Config>(schema_of("hmac-auth"), json!({}));
    config_follows_schema::<crate::multi_auth::Config>(
        schema_of("multi-auth"),
        json!({"auth_plugins": [{"key-auth": {}}, {"jwt-auth": {}}]}),
    );
    config_follows_schema::<crate::real_ip::Config>(
        schema_of("real-ip"),
        json!({"source": "arg_ip"}),
    );
    config_follows_schema::<crate::redirect::Config>(schema_of("redirect"), json!({"uri": "/a"}));
    config_follows_schema::<crate::consumer_restriction::Config>(
        schema_of("consumer-restriction"),
        json!({"whitelist": ["a"]}),
    );
    config_follows_schema::<crate::ip_restriction::Config>(
        schema_of("ip-restriction"),
        json!({"whitelist": ["::1"]}),
    );
    config_follows_schema::<crate::ua_restriction::Config>(
        schema_of("ua-restriction"),
        json!({"allowlist": ["a"]}),
    );
    config_follows_schema::<crate::referer_restriction::Config>(
        schema_of("referer-restriction"),
        json!({"whitelist": ["a"]}),
    );
    config_follows_schema::<crate::uri_blocker::Config>(
        schema_of("uri-blocker"),
        json!({"block_rules": ["a"]}),
    );
    config_follows_schema::<crate::http_logger::Config>(
        schema_of("http-logger"),
        json!({"uri": "http://127.0.0.1:1/x"}),
    );
    config_follows_schema::<crate::tcp_logger::Config>(
        schema_of("tcp-logger"),
        json!({"host": "127.0.0.1", "port": 1}),
    );
    config_follows_schema::<crate::udp_logger::Config>(
        schema_of("udp-logger"),
        json!({"host": "127.0.0.1", "port": 1}),
    );
    config_follows_schema::<crate::loki_logger::Config>(
        schema_of("loki-logger"),
        json!({"endpoint_addrs": ["http://127.0.0.1:1"]}),
    );
    config_follows_schema::<crate::elasticsearch_logger::Config>(
        schema_of("elasticsearch-logger"),
        json!({"endpoint_addr": "http://127.0.0.1:1", "field": {"index": "i"}}),
    );
    config_follows_schema::<crate::clickhouse_logger::Config>(
        schema_of("clickhouse-logger"),
        json!({"endpoint_addr": "http://127.0.0.1:1", "user": "u", "password": "p", "database": "d", "logtable": "t"}),
    );
    config_follows_schema::<crate::splunk_hec_logging::Config>(
        schema_of("splunk-hec-logging"),
        json!({"endpoint": {"uri": "http://127.0.0.1:1/x", "token": "t"}}),
    );
    config_follows_schema::<crate::file_logger::Config>(
        schema_of("file-logger"),
        json!({"path": "/nowhere/x.log"}),
    );
    config_follows_schema::<crate::limit_count::Config>(
        schema_of("limit-count"),
        json!({"count": 1, "time_window": 1}),
    );
    config_follows_schema::<crate::limit_req::Config>(
        schema_of("limit-req"),
        json!({"rate": 1, "burst": 0, "key": "remote_addr"}),
    );
    config_follows_schema::<crate::proxy_rewrite::Config>(
        schema_of("proxy-rewrite"),
        json!({"uri": "/"}),
    );
    config_follows_schema::<crate::response_rewrite::Config>(
        schema_of("response-rewrite"),
        json!({"filters": [{"regex": "a", "replace": "b"}]}),
    );
    config_follows_schema::<crate::prometheus::Config>(schema_of("prometheus"), json!({}));
}

#[test]
fn configurations_of_observing_plugins_follow_their_schemas() {
    config_follows_schema::<crate::syslog::Config>(
        schema_of("syslog"),
        json!({"host": "127.0.0.1", "port": 1}),
    );
    config_follows_schema::<crate::datadog::Config>(schema_of("datadog"), json!({}));
    for (name, schema) in
        ["server-info", "node-status", "error-log-logger"].map(|name| (name, schema_of(name)))
    {
        assert_eq!(schema, &json!({"type": "object"}), "{name}");
    }
    config_follows_schema::<crate::kafka_logger::Config>(
        schema_of("kafka-logger"),
        json!({"broker_list": {"127.0.0.1": 1}, "kafka_topic": "t"}),
    );
    config_follows_schema::<crate::zipkin::Config>(
        schema_of("zipkin"),
        json!({"endpoint": "http://127.0.0.1:1", "sample_ratio": 1}),
    );
    config_follows_schema::<crate::opentelemetry::Config>(schema_of("opentelemetry"), json!({}));
    config_follows_schema::<crate::google_cloud_logging::Config>(
        schema_of("google-cloud-logging"),
        json!({"auth_config": {"client_email": "a", "private_key": "k", "project_id": "p",
            "token_uri": "http://127.0.0.1:1"}}),
    );
}

#[test]
fn configurations_of_traffic_plugins_follow_their_schemas() {
    config_follows_schema::<crate::api_breaker::Config>(
        schema_of("api-breaker"),
        json!({"break_response_code": 502}),
    );
    config_follows_schema::<crate::circuit_breaker::Config>(
        schema_of("circuit-breaker"),
        json!({}),
    );
    config_follows_schema::<crate::client_control::Config>(schema_of("client-control"), json!({}));
    config_follows_schema::<crate::fault_injection::Config>(
        schema_of("fault-injection"),
        json!({"delay": {"duration": 1}}),
    );
    config_follows_schema::<crate::limit_conn::Config>(
        schema_of("limit-conn"),
        json!({"conn": 1, "burst": 0, "default_conn_delay": 1, "key": "remote_addr"}),
    );
    config_follows_schema::<crate::mocking::Config>(
        schema_of("mocking"),
        json!({"response_example": ""}),
    );
    config_follows_schema::<crate::proxy_control::Config>(schema_of("proxy-control"), json!({}));
    config_follows_schema::<crate::proxy_mirror::Config>(
        schema_of("proxy-mirror"),
        json!({"host": "http://a.test"}),
    );
    config_follows_schema::<crate::request_id::Config>(schema_of("request-id"), json!({}));
    config_follows_schema::<crate::traffic_label::Config>(
        schema_of("traffic-label"),
        json!({"rules": [{"actions": [{}]}]}),
    );
    config_follows_schema::<crate::traffic_split::Config>(
        schema_of("traffic-split"),
        json!({"rules": [{}]}),
    );
    config_follows_schema::<crate::workflow::Config>(schema_of("workflow"), json!({"rules": []}));
}

#[test]
fn configurations_of_plugins_for_bodies_follow_their_schemas() {
    config_follows_schema::<crate::gzip::Config>(schema_of("gzip"), json!({}));
    config_follows_schema::<crate::brotli::Config>(schema_of("brotli"), json!({}));
    config_follows_schema::<crate::zstd::Config>(schema_of("zstd"), json!({}));
    config_follows_schema::<crate::decompress_request::Config>(
        schema_of("decompress-request"),
        json!({}),
    );
    config_follows_schema::<crate::proxy_cache::Config>(schema_of("proxy-cache"), json!({}));
    config_follows_schema::<crate::error_page::Config>(schema_of("error-page"), json!({}));
    config_follows_schema::<crate::data_mask::Config>(schema_of("data-mask"), json!({}));
}

#[test]
fn metadata_follows_its_schema() {
    let schema = |name: &str| Builtin.entry(name).unwrap().metadata_schema().unwrap();
    config_follows_schema::<crate::azure_functions::Metadata>(schema("azure-functions"), json!({}));
    config_follows_schema::<crate::batch_requests::Metadata>(schema("batch-requests"), json!({}));
    config_follows_schema::<crate::cors::Metadata>(schema("cors"), json!({}));
    config_follows_schema::<crate::limit_count::Metadata>(schema("limit-count"), json!({}));
    config_follows_schema::<crate::prometheus::Metadata>(schema("prometheus"), json!({}));
    config_follows_schema::<crate::datadog::Metadata>(schema("datadog"), json!({}));
    config_follows_schema::<crate::opentelemetry::Metadata>(schema("opentelemetry"), json!({}));
    config_follows_schema::<crate::error_page::Metadata>(schema("error-page"), json!({}));
    config_follows_schema::<crate::oas_validator::Metadata>(schema("oas-validator"), json!({}));
}

#[test]
fn names_are_unique_and_priorities_are_those_of_apisix() {
    let table: Vec<_> = BUILTIN
        .iter()
        .map(|e| (e.name, e.priority, e.auth))
        .collect();
    assert_eq!(
        table,
        [
            ("real-ip", 23000, false),
            ("exit-transformer", 22950, false),
            ("client-control", 22000, false),
            ("proxy-control", 21990, false),
            ("request-id", 12015, false),
            ("zipkin", 12011, false),
            ("opentelemetry", 12009, false),
            ("fault-injection", 11000, false),
            ("mocking", 10900, false),
            ("serverless-pre-function", 10000, false),
            ("batch-requests", 4010, false),
            ("cors", 4000, false),
            ("ip-restriction", 3000, false),
            ("ua-restriction", 2999, false),
            ("geo-restriction", 2995, false),
            ("referer-restriction", 2990, false),
            ("csrf", 2980, false),
            ("uri-blocker", 2900, false),
            ("request-validation", 2800, false),
            ("multi-auth", 2600, false),
            ("openid-connect", 2599, false),
            ("ldap-auth", 2540, true),
            ("hmac-auth", 2530, true),
            ("basic-auth", 2520, true),
            ("jwt-auth", 2510, true),
            ("jwe-decrypt", 2509, true),
            ("key-auth", 2500, true),
            ("acl", 2410, false),
            ("consumer-restriction", 2400, false),
            ("attach-consumer-label", 2399, false),
            ("forward-auth", 2002, false),
            ("opa", 2001, false),
            ("data-mask", 1500, false),
            ("error-log-logger", 1091, false),
            ("decompress-request", 1090, false),
            ("proxy-cache", 1085, false),
            ("body-transformer", 1080, false),
            ("request-rewrite", 1079, false),
            ("proxy-mirror", 1010, false),
            ("proxy-rewrite", 1008, false),
            ("upstream-auth", 1007, false),
            ("workflow", 1006, false),
            ("api-breaker", 1005, false),
            ("circuit-breaker", 1004, false),
            ("limit-conn", 1003, false),
            ("limit-count", 1002, false),
            ("limit-req", 1001, false),
            ("node-status", 1000, false),
            ("zstd", 997, false),
            ("brotli", 996, false),
            ("gzip", 995, false),
            ("server-info", 990, false),
            ("traffic-label", 967, false),
            ("traffic-split", 966, false),
            ("redirect", 900, false),
            ("response-rewrite", 899, false),
            ("oas-validator", 512, false),
            ("degraphql", 509, false),
            ("grpc-transcode", 506, false),
            ("grpc-web", 505, false),
            ("public-api", 501, false),
            ("prometheus", 500, false),
            ("datadog", 495, false),
            ("error-page", 450, false),
            ("loki-logger", 414, false),
            ("elasticsearch-logger", 413, false),
            ("echo", 412, false),
            ("http-logger", 410, false),
            ("splunk-hec-logging", 409, false),
            ("google-cloud-logging", 407, false),
            ("tcp-logger", 405, false),
            ("kafka-logger", 403, false),
            ("syslog", 401, false),
            ("udp-logger", 400, false),
            ("file-logger", 399, false),
            ("clickhouse-logger", 398, false),
            ("aws-lambda", -1899, false),
            ("azure-functions", -1900, false),
            ("openwhisk", -1901, false),
            ("openfunction", -1902, false),
            ("serverless-post-function", -2000, false),
        ]
    );
    let names: HashSet<_> = BUILTIN.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), BUILTIN.len());
    assert!(BUILTIN.is_sorted_by(|left, right| left.priority > right.priority));
    assert_eq!(
        Builtin.names(),
        table.iter().map(|line| line.0).collect::<Vec<_>>()
    );
}

#[test]
fn stream_plugins_have_names_priorities_and_schemas() {
    let table: Vec<_> = ON_STREAMS.iter().map(|e| (e.name, e.priority)).collect();
    assert_eq!(
        table,
        [
            ("ip-restriction", 3000),
            ("limit-conn", 1003),
            ("mqtt-proxy", 1000),
            ("traffic-split", 966),
            ("prometheus", 500),
        ]
    );
    assert!(ON_STREAMS.iter().all(|entry| entry.schema().is_object()));
    let check = |config| Builtin.check("ip-restriction", PluginPart::Stream, &config);
    assert_eq!(check(json!({"whitelist": ["10.0.0.0/8"]})), Ok(()));
    assert!(Builtin.stream_schemas("key-auth").is_none());
}

#[test]
fn every_schema_is_an_object() {
    for entry in BUILTIN {
        let schemas = Builtin.schemas(entry.name).unwrap();
        assert!(schemas.config.is_object(), "{}", entry.name);
        assert!(
            schemas.consumer.is_none_or(Value::is_object),
            "{}",
            entry.name
        );
        assert!(
            schemas.metadata.is_none_or(Value::is_object),
            "{}",
            entry.name
        );
        assert_eq!(schemas.consumer.is_some(), entry.auth, "{}", entry.name);
    }
}

#[test]
fn the_catalog_checks_every_part() {
    let check = |name, part, config| Builtin.check(name, part, &config);
    let config = json!({"count": 1, "time_window": 1, "_meta": {"disable": false}});
    assert_eq!(check("limit-count", PluginPart::Config, config), Ok(()));
    let config = json!({"count": 1, "time_window": 1, "policy": "redis"});
    assert_eq!(
        check("limit-count", PluginPart::Config, config),
        Err("redis_host is required".into())
    );
    assert_eq!(
        check("key-auth", PluginPart::Consumer, json!({"key": "a"})),
        Ok(())
    );
    assert_eq!(
        check(
            "limit-count",
            PluginPart::Metadata,
            json!({"reset_header": "a b"})
        ),
        Err("reset_header must be a header name, got \"a b\"".into())
    );
    assert_eq!(
        check("nothing", PluginPart::Config, json!({})),
        Err("unknown plugin [nothing]".into())
    );
}

#[test]
fn consumers_are_found_by_their_key() {
    let entry = Builtin.entry("key-auth").unwrap();
    assert_eq!(
        entry.consumer_key(&json!({"key": "a"})).as_deref(),
        Some("a")
    );
    assert_eq!(entry.consumer_key(&json!({})), None);
    let limit = Builtin.entry("limit-req").unwrap();
    assert_eq!(limit.consumer_key(&json!({"key": "a"})), None);
}

#[test]
fn route_key_names_the_owner_of_state() {
    let owner = Key::new(Kind::Route, "1");
    let living = Living::default();
    let one = on_route(&owner, "a", &living, None).state_key("limit-req");
    let other = on_route(&owner, "b", &living, None).state_key("limit-req");
    assert_ne!(one, other);
}

#[test]
fn configurations_of_functions_follow_their_schemas() {
    let at = json!({"function_uri": "http://a"});
    config_follows_schema::<crate::aws_lambda::Config>(schema_of("aws-lambda"), at.clone());
    config_follows_schema::<crate::azure_functions::Config>(
        schema_of("azure-functions"),
        at.clone(),
    );
    config_follows_schema::<crate::openfunction::Config>(schema_of("openfunction"), at);
    config_follows_schema::<crate::openwhisk::Config>(
        schema_of("openwhisk"),
        json!({"api_host": "http://a", "service_token": "t", "namespace": "n", "action": "a"}),
    );
    let one = json!({"functions": ["return function() end"]});
    for name in ["serverless-pre-function", "serverless-post-function"] {
        config_follows_schema::<crate::serverless_pre_function::Config>(
            schema_of(name),
            one.clone(),
        );
    }
    config_follows_schema::<crate::exit_transformer::Config>(schema_of("exit-transformer"), one);
    config_follows_schema::<crate::public_api::Config>(schema_of("public-api"), json!({}));
}
