//! The table of refused requests: objects.md section 2.1.

use http::Method;
use serde_json::{Value, json};

pub(crate) struct Case {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: &'static str,
    pub(crate) status: u16,
    pub(crate) expected: Expected,
}

pub(crate) enum Expected {
    Json(Value),
    /// `error_msg` starts with this.
    ErrorStarts(&'static str),
    Text(&'static str),
}

fn case(
    method: Method,
    path: &'static str,
    body: &'static str,
    status: u16,
    expected: Expected,
) -> Case {
    Case {
        method,
        path,
        body,
        status,
        expected,
    }
}

fn error(text: &str) -> Expected {
    Expected::Json(json!({"error_msg": text}))
}

pub(crate) const ROUTE: &str = r#"{"uri":"/a","upstream":{"nodes":{"127.0.0.1:1":1}}}"#;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn cases() -> Vec<Case> {
    let absent = || Expected::Json(json!({"message": "Key not found"}));
    vec![
        case(Method::GET, "routes/none", "", 404, absent()),
        case(Method::DELETE, "routes/none", "", 404, absent()),
        case(
            Method::PATCH,
            "routes/none",
            r#"{"desc":"x"}"#,
            404,
            absent(),
        ),
        case(Method::PUT, "routes", ROUTE, 400, error("missing route id")),
        case(
            Method::PUT,
            "routes/1",
            r#"{"id":"2","uri":"/a","upstream":{"nodes":{}}}"#,
            400,
            error("wrong route id"),
        ),
        case(
            Method::POST,
            "routes",
            r#"{"id":"2","uri":"/a","upstream":{"nodes":{}}}"#,
            400,
            error("wrong route id, do not need it"),
        ),
        case(
            Method::PUT,
            "routes/1",
            "",
            400,
            error("missing configurations"),
        ),
        case(
            Method::PUT,
            "routes/1",
            "{not json",
            400,
            Expected::ErrorStarts("invalid request body: "),
        ),
        case(
            Method::PUT,
            "routes/1",
            r#"{"uri":1,"upstream":{"nodes":{}}}"#,
            400,
            error(
                "invalid configuration: property \"uri\" validation failed: \
                 wrong type: expected string, got number",
            ),
        ),
        case(
            Method::PUT,
            "routes/1",
            r#"{"uri":"/a","upstream":{"nodes":{}},"colour":"red"}"#,
            400,
            error("invalid configuration: additional properties forbidden, found colour"),
        ),
        case(
            Method::PUT,
            "routes/1",
            r#"{"uri":"/a","upstream_id":"none"}"#,
            400,
            error("failed to fetch upstream info by upstream id [none], response code: 404"),
        ),
        case(
            Method::PUT,
            "routes/1",
            r#"{"uri":"/a","service_id":"none"}"#,
            400,
            error("failed to fetch service info by service id [none], response code: 404"),
        ),
        case(
            Method::PUT,
            "routes/1",
            r#"{"uri":"/a","plugins":{"nothing":{}},"upstream":{"nodes":{}}}"#,
            400,
            error("unknown plugin [nothing]"),
        ),
        case(
            Method::PUT,
            "routes/1?ttl=soon",
            ROUTE,
            400,
            error("invalid argument ttl: should be a number"),
        ),
        case(
            Method::POST,
            "consumers",
            r#"{"username":"jack"}"#,
            405,
            error("not supported `POST` method for consumer"),
        ),
        case(
            Method::PATCH,
            "consumers/jack",
            r#"{"desc":"x"}"#,
            405,
            error("not supported `PATCH` method for consumer"),
        ),
        case(
            Method::GET,
            "elephants",
            "",
            404,
            error("Unsupported resource type: elephants"),
        ),
        case(
            Method::GET,
            "routes?page=1&page_size=5",
            "",
            400,
            Expected::Text("page_size must be between 10 and 500"),
        ),
        case(
            Method::DELETE,
            "upstreams/used",
            "",
            400,
            error("can not delete this upstream, route [uses-upstream] is still using it now"),
        ),
        case(
            Method::DELETE,
            "services/used",
            "",
            400,
            error(
                "can not delete this service directly, route [uses-service] is still using it now",
            ),
        ),
        case(
            Method::DELETE,
            "plugin_configs/used",
            "",
            400,
            error("can not delete this plugin config, route [uses-config] is still using it now"),
        ),
        case(
            Method::DELETE,
            "consumer_groups/used",
            "",
            400,
            error("can not delete this consumer group, consumer [member] is still using it now"),
        ),
        case(
            Method::PUT,
            "consumers/nobody/credentials/1",
            r#"{"plugins":{"key-auth":{"key":"k"}}}"#,
            404,
            error("consumer not found"),
        ),
        case(
            Method::PUT,
            "consumers/rival",
            r#"{"username":"rival","plugins":{"key-auth":{"key":"taken"}}}"#,
            400,
            error("duplicate key of plugin key-auth found with consumer: member"),
        ),
        case(
            Method::PUT,
            "routes/other-quota",
            r#"{"uri":"/q","upstream":{"nodes":{}},"plugins":{"limit-count":{"count":9,"time_window":60,"group":"shared"}}}"#,
            400,
            error(
                "failed to check the configuration of plugin limit-count err: \
                 group conf mismatched",
            ),
        ),
        case(
            Method::GET,
            "plugins/nothing",
            "",
            404,
            error("plugin not found in subsystem http"),
        ),
        case(
            Method::PATCH,
            "routes/uses-upstream/uri/deeper",
            "1",
            400,
            error("invalid sub-path: /uri/deeper"),
        ),
    ]
}
