use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Plugin, Response};

use super::OpenWhisk;
use crate::function_call::tests::{Platform, asked, header};
use crate::tests::{answer, plugin, refusal};

fn config(more: Value) -> Value {
    let mut config = json!({
        "api_host": "http://wsk.test:3233", "service_token": "a:b", "namespace": "guest", "action": "hello"
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn put() -> RequestBuilder {
    request("/x?a=1")
        .method(Method::PUT)
        .header("x-own", "1")
        .body("text/plain", "{\"name\":\"world\"}")
}

fn answered(more: Value, status: u16, body: &str) -> Response {
    let platform = Platform::answering(status, &[("content-type", "application/json")], body);
    platform.answer(&plugin::<OpenWhisk>(config(more)), put())
}

#[test]
fn an_action_is_invoked_and_waited_for() {
    let call = asked::<OpenWhisk>(config(json!({})), put());
    assert_eq!(call.method, Method::POST);
    assert_eq!(
        call.uri,
        "http://wsk.test:3233/api/v1/namespaces/guest/actions/hello?blocking=true&result=true&timeout=3000"
    );
    assert_eq!(header(&call.headers, "authorization"), "Basic YTpi");
    assert_eq!(header(&call.headers, "content-type"), "application/json");
    assert!(!call.headers.contains_key("x-own"));
    assert_eq!(call.body, "{\"name\":\"world\"}");
    let more = json!({"package": "my pack", "result": false, "timeout": 10, "api_host": "https://w.test/base/"});
    let call = asked::<OpenWhisk>(config(more), put());
    assert_eq!(
        call.uri,
        "https://w.test/base/api/v1/namespaces/guest/actions/my%20pack/hello?blocking=true&result=false&timeout=10"
    );
}

#[test]
fn the_result_may_describe_the_answer() {
    let told = json!({"statusCode": 202, "headers": {"X-Own": "1", "x-n": 2, "content-type": "text/csv"}, "body": "a,b"});
    let answer = answered(json!({}), 200, &told.to_string());
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body, Body::Text("a,b".into()));
    let headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        headers,
        [("x-own", "1"), ("x-n", "2"), ("content-type", "text/csv")]
    );
    let answer = answered(json!({}), 200, r#"{"body":{"a":1}}"#);
    assert_eq!(answer.body, Body::Json(json!({"a": 1})));
    for told in [r#"{"a":1}"#, "[1]", "7"] {
        let answer = answered(json!({}), 200, told);
        assert_eq!(answer.body, Body::Text(told.into()));
    }
}

#[test]
fn a_result_that_describes_no_answer_is_a_failure() {
    for told in [
        "no json",
        r#"{"statusCode":"x"}"#,
        r#"{"statusCode":99}"#,
        r#"{"headers":{"a b":"1"}}"#,
    ] {
        let answer = answered(json!({}), 200, told);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
        // The record of the activation is passed on as it is.
        let answer = answered(json!({"result": false}), 200, told);
        assert_eq!(answer.body, Body::Text(told.to_owned().into()));
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let plugin = plugin::<OpenWhisk>(config(json!({"max_req_body_size": 3})));
    let refused = answer(plugin.access(&mut put().context(FakeHost::shared()))).unwrap();
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn names_and_places_are_checked() {
    refusal::<OpenWhisk>(config(json!({"namespace": "a/b"})));
    refusal::<OpenWhisk>(config(json!({"action": ""})));
    let text = refusal::<OpenWhisk>(config(json!({"api_host": "ftp://a"})));
    assert_eq!(
        text,
        "api_host must be a URL with http or https, got \"ftp://a\""
    );
}
