use bytes::Bytes;
use http::Method;
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Plugin, Step};

use super::RequestRewrite;
use crate::tests::{answer, plugin, refusal, sent};

#[test]
fn the_whole_request_becomes_another() {
    let plugin = plugin::<RequestRewrite>(json!({
        "uri": "/erp/get.do?id=$arg_id",
        "method": "PUT",
        "host": "legacy.internal",
        "headers": {"set": {"Content-Type": "text/xml"}},
        "template": "<n>{{_escape_xml(name)}}</n>",
    }));
    let mut context = request("/a?id=7")
        .method(Method::POST)
        .body("application/json", "{\"name\": \"<x>\"}")
        .context(FakeHost::shared());
    assert_eq!(answer(plugin.rewrite(&mut context)), None);
    let made = Bytes::from_static(b"<n>&lt;x&gt;</n>");
    assert_eq!(context.request.body.replacement(), Some(&made));
    assert_eq!(context.target.uri.as_deref(), Some("/erp/get.do?id=7&id=7"));
    assert_eq!(context.target.method, Some(Method::PUT));
    assert_eq!(context.target.host.as_deref(), Some("legacy.internal"));
    assert_eq!(sent(&context, "content-type"), ["text/xml"]);
}

#[test]
fn nothing_is_changed_before_the_body_is_there() {
    let plugin = plugin::<RequestRewrite>(json!({"template": "x", "method": "PUT"}));
    let mut context = request("/").context(FakeHost::shared());
    assert!(matches!(plugin.rewrite(&mut context), Step::ReadBody));
    assert_eq!(context.target.method, None);
}

#[test]
fn without_a_template_the_body_stays() {
    let plugin = plugin::<RequestRewrite>(json!({"headers": {"x-a": "1"}}));
    let mut context = request("/").context(FakeHost::shared());
    assert_eq!(answer(plugin.rewrite(&mut context)), None);
    assert_eq!(context.request.body.wanted(), None);
    assert_eq!(sent(&context, "x-a"), ["1"]);
}

#[test]
fn what_cannot_work_is_refused() {
    let refused = refusal::<RequestRewrite>(json!({"max_req_body_size": 1}));
    assert!(
        refused.starts_with("object matches none of the required"),
        "{refused}"
    );
    let refused = refusal::<RequestRewrite>(json!({"uri": "/a", "input_format": "json"}));
    assert!(refused.contains("template"), "{refused}");
    let refused = refusal::<RequestRewrite>(json!({"template": "{{f()}}"}));
    assert_eq!(
        refused,
        "request template compile: line 1: function 'f' is not supported"
    );
    let refused = refusal::<RequestRewrite>(json!({"regex_uri": ["(", ""]}));
    assert!(refused.contains("regex"), "{refused}");
}
