use std::sync::Arc;

use http::HeaderValue;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request, response};
use weir_plugin_api::{Context, Plugin};

use super::RequestId;
use crate::tests::{answer, plugin, refusal, sent};

/// The request after the rewrite phase, and the headers of an answer to it.
fn through(config: Value, request: RequestBuilder, node: &[(&str, &str)]) -> Context {
    let host = FakeHost::shared();
    host.scatter(7);
    run(config, request, node, &host)
}

fn run(
    config: Value,
    request: RequestBuilder,
    node: &[(&str, &str)],
    host: &Arc<FakeHost>,
) -> Context {
    let plugin = plugin::<RequestId>(config);
    let mut context = request.context(Arc::clone(host));
    assert!(answer(plugin.rewrite(&mut context)).is_none());
    context.response = Some(response(200, node));
    plugin.header_filter(&mut context);
    context
}

fn told(context: &Context, name: &str) -> Option<HeaderValue> {
    context
        .response
        .as_ref()
        .unwrap()
        .headers
        .get(name)
        .cloned()
}

fn id(config: Value) -> String {
    let context = through(config, request("/"), &[]);
    let id = sent(&context, "x-request-id").remove(0);
    assert_eq!(told(&context, "x-request-id").unwrap(), id.as_str());
    assert_eq!(context.record.request_id, id);
    id
}

#[test]
fn a_request_without_id_gets_one() {
    let id = id(json!({}));
    assert_eq!(id.len(), 36);
    assert_eq!(id.as_bytes()[14], b'4', "{id}");
    assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
}

#[test]
fn ids_differ() {
    let host = FakeHost::shared();
    host.scatter(7);
    let ids: std::collections::HashSet<_> = (0..100)
        .map(|_| run(json!({}), request("/"), &[], &host).record.request_id)
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn an_id_of_the_client_is_kept_unless_it_is_empty() {
    let sends = |value: &str| {
        let request = request("/").header("x-request-id", value);
        through(json!({}), request, &[])
    };
    let context = sends("mine");
    assert_eq!(sent(&context, "x-request-id"), ["mine"]);
    assert_eq!(told(&context, "x-request-id").unwrap(), "mine");
    assert_eq!(context.record.request_id, "mine");
    let context = sends("");
    assert_eq!(sent(&context, "x-request-id")[0].len(), 36);
}

#[test]
fn a_header_of_the_node_stays() {
    let context = through(json!({}), request("/"), &[("x-request-id", "node")]);
    assert_eq!(told(&context, "x-request-id").unwrap(), "node");
}

#[test]
fn the_client_is_not_told_unless_asked() {
    let context = through(json!({"include_in_response": false}), request("/"), &[]);
    assert_eq!(told(&context, "x-request-id"), None);
    assert_eq!(sent(&context, "x-request-id").len(), 1);
}

#[test]
fn the_header_may_be_another_one() {
    let context = through(json!({"header_name": "X-Trace"}), request("/"), &[]);
    assert_eq!(sent(&context, "x-request-id").len(), 0);
    assert_eq!(sent(&context, "x-trace").len(), 1);
    assert!(told(&context, "x-trace").is_some());
}

#[test]
fn each_algorithm_has_its_form() {
    let v7 = id(json!({"algorithm": "uuidv7"}));
    // 1,700,000,000,000 ms are 0x18bcfe56800.
    assert!(v7.starts_with("018bcfe5-6800-7"), "{v7}");
    let ksuid = id(json!({"algorithm": "ksuid"}));
    assert!(ksuid.len() == 27 && ksuid.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let nanoid = id(json!({"algorithm": "nanoid"}));
    assert_eq!(nanoid.len(), 21);
    let range = id(json!({"algorithm": "range_id"}));
    assert!(range.len() == 16 && range.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let digits = json!({"algorithm": "range_id", "range_id": {"length": 6, "char_set": "01!~:;"}});
    let digits = id(digits);
    assert!(
        digits.len() == 6 && digits.bytes().all(|byte| b"01!~:;".contains(&byte)),
        "{digits}"
    );
}

#[test]
fn what_a_header_cannot_hold_is_refused() {
    let range = |range: Value| json!({"algorithm": "range_id", "range_id": range});
    for (config, expected) in [
        (
            json!({"header_name": "X Id"}),
            r#"header_name must be a header name, got "X Id""#,
        ),
        (
            range(json!({"char_set": "abcdef\r\n"})),
            r"range_id.char_set must hold visible ASCII characters only, got '\r'",
        ),
        (
            range(json!({"char_set": "abcdefé"})),
            "range_id.char_set must hold visible ASCII characters only, got 'é'",
        ),
        (
            range(json!({"length": 1025})),
            "range_id.length must be at most 1024, got 1025",
        ),
    ] {
        assert_eq!(refusal::<RequestId>(config), expected);
    }
    for config in [
        json!({"algorithm": "snowflake"}),
        range(json!({"length": 5})),
        range(json!({"char_set": "abcde"})),
        json!({"include_in_response": "yes"}),
    ] {
        assert!(!refusal::<RequestId>(config).is_empty());
    }
}
