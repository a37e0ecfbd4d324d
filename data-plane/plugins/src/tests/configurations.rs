//! Configurations follow the schemas that are published.

use serde_json::json;

use super::{config_follows_schema, schema_of};
use crate::ON_STREAMS;

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
    let streams = ON_STREAMS.iter().find(|entry| entry.name == "syslog");
    config_follows_schema::<crate::syslog::StreamConfig>(
        streams.unwrap().schema(),
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
