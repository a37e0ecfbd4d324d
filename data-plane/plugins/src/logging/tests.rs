use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Context, NodeAddress, Step};

use super::*;

/// This many entries, of the second at which the fake host stands.
pub(crate) fn entries(count: usize) -> Vec<Entry> {
    let entry = |number| Entry {
        fields: json!({ "n": number }),
        at_ms: 1_700_000_000_000,
        is_chosen: true,
        tag: Map::new(),
    };
    (0..count).map(entry).collect()
}

/// Runs what is spawned at once; it must not wait. Nothing can be reached.
pub(crate) struct AtOnce;

impl Outside for AtOnce {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        task.now_or_never().unwrap();
    }
}

fn finished() -> Context {
    let mut context = request("/a?x=1&y&x=2")
        .header("x-a", "1")
        .header("x-a", "2")
        .context(FakeHost::shared());
    context.response = Some(response(200, &[("x-b", "3")]));
    context.record.status = 200;
    context.record.total = Duration::from_millis(30);
    context.record.upstream = Duration::from_millis(20);
    context.record.request_bytes = 70;
    context.record.response_bytes = 90;
    context
}

fn compiled(options: Value) -> Entries {
    let options: EntryOptions = serde_json::from_value(options).unwrap();
    Entries::compile(&options, &Metadata::default()).unwrap()
}

#[test]
fn the_default_entry_tells_request_and_answer() {
    let mut context = finished();
    context.record.node = "127.0.0.1:1980"
        .parse::<std::net::SocketAddr>()
        .ok()
        .map(NodeAddress::from);
    let entry = compiled(json!({})).make(&mut context);
    assert_eq!(entry.at_ms, 1_699_999_999_970);
    let fields = entry.fields;
    assert_eq!(
        fields["request"]["url"],
        "http://example.com:9080/a?x=1&y&x=2"
    );
    assert_eq!(fields["request"]["headers"], json!({"x-a": ["1", "2"]}));
    assert_eq!(
        fields["request"]["querystring"],
        json!({"x": ["1", "2"], "y": true})
    );
    assert_eq!(
        fields["response"],
        json!({"status": 200, "headers": {"x-b": "3"}, "size": 90})
    );
    assert_eq!(fields["route_id"], "no-matched");
    assert_eq!(fields["upstream"], "127.0.0.1:1980");
    assert_eq!(fields["latency"], json!(30.0));
    assert_eq!(fields["upstream_latency"], json!(20.0));
    assert_eq!(fields["apisix_latency"], json!(10.0));
    assert_eq!(fields["start_time"], json!(1_699_999_999_970_u64));
}

#[test]
fn a_format_chooses_constants_variables_and_objects() {
    let format = json!({"log_format": {"host": "$host", "none": "$arg_none", "n": 7, "in": {"status": "$status"}},
        "log_format_extra": {"x": "$arg_y"}});
    let entry = compiled(format).make(&mut finished());
    let expected = json!({"host": "example.com", "n": 7, "in": {"status": "200"}, "x": ""});
    assert_eq!(entry.fields, expected);
}

#[test]
fn bodies_are_logged_up_to_their_limits() {
    let entries = compiled(json!({"include_req_body": true, "max_req_body_bytes": 4,
        "include_resp_body": true, "max_resp_body_bytes": 5, "log_format": {}}));
    let mut context = finished();
    assert!(matches!(entries.look_at_request(&context), Step::ReadBody));
    context
        .request
        .body
        .set_larger_than(4, Bytes::from_static(b"hello"));
    assert!(matches!(entries.look_at_request(&context), Step::Continue));
    for piece in ["wor", "ld!"] {
        entries.look_at_answer(&mut context, &Bytes::from_static(piece.as_bytes()));
    }
    let fields = entries.make(&mut context).fields;
    assert_eq!(
        fields,
        json!({"request": {"body": "hell"}, "response": {"body": "world"}})
    );
}

#[test]
fn bodies_may_depend_on_an_expression() {
    let entries = compiled(
        json!({"include_req_body": true, "include_resp_body": true, "log_format": {},
        "include_req_body_expr": [["arg_debug", "==", "1"]], "include_resp_body_expr": [["arg_x", "==", "1"]]}),
    );
    let mut context = finished();
    assert!(matches!(entries.look_at_request(&context), Step::Continue));
    entries.look_at_answer(&mut context, &Bytes::from_static(b"yes"));
    assert_eq!(
        entries.make(&mut context).fields,
        json!({"response": {"body": "yes"}})
    );
}
