use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::outside::{CallError, HttpAnswer, HttpCall};
use weir_plugin_api::testkit::{RequestBuilder, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, Response, RouteInfo};

use super::Opa;
use crate::fake_service::{FakeService, nobody, says};
use crate::tests::{answer, at_once, plugin, refusal, sent};

/// What a request comes to with a server that answers so, and what it was asked.
fn run(
    extra: Value,
    request: RequestBuilder,
    answers: impl Fn() -> Result<HttpAnswer, CallError> + Send + Sync + 'static,
) -> (Option<Response>, Context, HttpCall) {
    let (service, host) = FakeService::start(move |_| answers());
    host.add_document(
        Key::new(Kind::Route, "7"),
        json!({"id": "7", "uri": "/a", "plugins": {"csrf": {"key": "hidden"}}, "upstream": {"nodes": {}}}),
    );
    host.add_document(
        Key::new(Kind::Service, "3"),
        json!({"name": "shop", "upstream": {}}),
    );
    host.add_document(
        Key::new(Kind::Consumer, "jack"),
        json!({"username": "jack", "desc": "d", "plugins": {"key-auth": {"key": "hidden"}}}),
    );
    let mut config = json!({"host": "http://opa.test:8181/", "policy": "gw/authz"});
    let fields = config.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    let plugin = plugin::<Opa>(config);
    let mut context = request.context(host);
    context.route = Some(Arc::new(RouteInfo {
        id: "7".into(),
        service_id: "3".into(),
        ..RouteInfo::default()
    }));
    context.consumer = Some(Arc::new(Consumer {
        name: "jack".into(),
        group_id: Some("g".into()),
        labels: BTreeMap::from([("team".into(), "a".into())]),
        ..Consumer::default()
    }));
    let response = answer(at_once(plugin.access(&mut context)));
    let call = service.asked().remove(0);
    (response, context, call)
}

fn decides(result: Value) -> impl Fn() -> Result<HttpAnswer, CallError> {
    move || Ok(says(200, &[], &json!({"result": result}).to_string()))
}

/// Status and body of the refusal.
fn refused(
    answers: impl Fn() -> Result<HttpAnswer, CallError> + Send + Sync + 'static,
) -> (u16, Body) {
    let (response, _, _) = run(json!({}), request("/"), answers);
    let response = response.unwrap();
    (response.status.as_u16(), response.body)
}

#[test]
fn the_server_is_told_of_the_request() {
    let asked = request("/a%20b?x=1&x=2&y=&flag&z=%41")
        .header("x-one", "1")
        .header("x-two", "1")
        .header("x-two", "2");
    let (response, _, call) = run(json!({}), asked, decides(json!({"allow": true})));
    assert!(response.is_none());
    assert_eq!(
        call.uri.to_string(),
        "http://opa.test:8181/v1/data/gw/authz"
    );
    assert_eq!(call.headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        body,
        json!({"input": {
            "type": "http",
            "request": {"scheme": "http", "method": "GET", "host": "example.com", "port": 9080, "path": "/a b",
                "headers": {"x-one": "1", "x-two": ["1", "2"]},
                "query": {"x": ["1", "2"], "y": "", "flag": true, "z": "A"}},
            "var": {"server_addr": "192.0.2.254", "server_port": "9080", "remote_addr": "192.0.2.1",
                "remote_port": "50000", "timestamp": 1_700_000_000},
        }})
    );
}

#[test]
fn route_service_and_consumer_come_along_without_nodes_and_credentials() {
    let config = json!({"with_route": true, "with_service": true, "with_consumer": true});
    let (_, _, call) = run(config, request("/"), decides(json!({"allow": true})));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let input = &body["input"];
    assert_eq!(input["route"], json!({"id": "7", "uri": "/a"}));
    assert_eq!(input["service"], json!({"name": "shop"}));
    assert_eq!(
        input["consumer"],
        json!({"username": "jack", "desc": "d", "consumer_name": "jack", "labels": {"team": "a"}, "group_id": "g"})
    );
}

#[test]
fn a_refusal_says_what_the_policy_says() {
    assert_eq!(refused(decides(json!({"allow": false}))), (403, Body::Page));
    assert_eq!(refused(decides(json!({}))), (403, Body::Page));
    let text = decides(json!({"allow": false, "status_code": 302, "reason": "go away"}));
    assert_eq!(refused(text), (302, Body::Text("go away".into())));
    let object = decides(json!({"allow": false, "reason": {"why": 1}}));
    assert_eq!(refused(object), (403, Body::Text(r#"{"why":1}"#.into())));
    let headers = json!({"allow": false, "headers": {"Location": "/in", "Content-Length": 9, "X-A": ["1", 2]}});
    let (response, _, _) = run(json!({}), request("/"), decides(headers));
    let response = response.unwrap();
    let mut fields: Vec<_> = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, [("location", "/in"), ("x-a", "1"), ("x-a", "2")]);
}

#[test]
fn headers_of_the_decision_replace_what_the_client_claims() {
    let config = json!({"send_headers_upstream": ["X-User", "X-Role"]});
    let forged = || {
        request("/")
            .header("x-user", "root")
            .header("x-role", "admin")
    };
    let result = decides(json!({"allow": true, "headers": {"x-user": "7", "x-more": "1"}}));
    let (response, context, _) = run(config, forged(), result);
    assert!(response.is_none());
    assert_eq!(sent(&context, "x-user"), ["7"]);
    assert!(sent(&context, "x-role").is_empty());
    assert!(sent(&context, "x-more").is_empty());
}

#[test]
fn what_decides_nothing_lets_nobody_in() {
    assert_eq!(refused(|| Err(nobody())).0, 403);
    assert_eq!(
        refused(|| Err(CallError::TooLarge {
            address: "a".into(),
            limit: 1
        }))
        .0,
        503
    );
    assert_eq!(
        refused(|| Ok(says(500, &[], r#"{"result":{"allow":true}}"#))).0,
        503
    );
    for body in [
        "",
        "{}",
        "[]",
        r#"{"result":true}"#,
        r#"{"result":{"allow":"yes"}}"#,
        r#"{"result":{"allow":false,"status_code":1000}}"#,
        r#"{"result":{"allow":true,"headers":{"a b":"c"}}}"#,
        r#"{"result":{"allow":true,"headers":{"a":"b\r\nc"}}}"#,
        r#"{"result":{"allow":true,"headers":[1]}}"#,
    ] {
        let body = body.to_owned();
        assert_eq!(refused(move || Ok(says(200, &[], &body))).0, 503);
    }
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<Opa>(json!({"host": "http://a"}));
    assert!(
        refusal::<Opa>(json!({"host": "opa:8181", "policy": "a"}))
            .starts_with("host: expected a URL")
    );
    assert!(
        refusal::<Opa>(json!({"host": "http://a", "policy": "a b"}))
            .starts_with("host and policy: expected")
    );
    refusal::<Opa>(json!({"host": "http://a", "policy": "a", "send_headers_upstream": ["host"]}));
}
