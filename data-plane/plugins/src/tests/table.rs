//! Names, order and kinds of all plugins.

use std::collections::HashSet;

use serde_json::json;
use weir_model::{PluginCatalog, PluginPart};

use crate::{BUILTIN, Builtin, ON_STREAMS};

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
            ("authz-casbin", 2560, false),
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
            ("syslog", 401),
        ]
    );
    assert!(ON_STREAMS.iter().all(|entry| entry.schema().is_object()));
    let check = |config| Builtin.check("ip-restriction", PluginPart::Stream, &config);
    assert_eq!(check(json!({"whitelist": ["10.0.0.0/8"]})), Ok(()));
    assert!(Builtin.stream_schemas("key-auth").is_none());
}
