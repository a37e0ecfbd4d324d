use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::outside::{CallError, HttpAnswer, HttpCall, Pending};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Outside, Plugin, Step};

use super::OasValidator;
use crate::tests::{answer, at_once, plugin, refusal};

fn spec() -> Value {
    json!({
        "openapi": "3.0.3",
        "servers": [{"url": "https://api.test/v1"}],
        "paths": {
            "/pets": {
                "get": {"parameters": [
                    {"name": "limit", "in": "query", "required": true, "schema": {"type": "integer", "maximum": 10, "exclusiveMaximum": true}},
                    {"name": "tags", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "string"}, "maxItems": 2}},
                    {"name": "ids", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}}},
                    {"name": "f", "in": "query", "style": "deepObject", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
                    {"name": "q", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string", "pattern": "^[0-9a-f]+$"}},
                    {"name": "Accept", "in": "header", "required": true, "schema": {"type": "integer"}},
                    {"name": "s", "in": "cookie", "schema": {"type": "boolean"}}
                ]},
                "post": {"requestBody": {"$ref": "#/components/requestBodies/pet"}}
            },
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
                "get": {}
            },
            "/pets/mine": {"get": {}}
        },
        "components": {
            "requestBodies": {"pet": {"required": true, "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}},
                "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Pet"}},
                "text/*": {"schema": {"type": "string", "maxLength": 3}},
                "image/png": {}
            }}},
            "schemas": {"Pet": {"type": "object", "required": ["name", "id"], "additionalProperties": false, "properties": {
                "id": {"type": "integer", "readOnly": true},
                "name": {"type": "string"},
                "age": {"type": "integer", "nullable": true},
                "parent": {"$ref": "#/components/schemas/Pet"}
            }}}
        }
    })
}

fn config(more: &Value) -> Value {
    let mut config = json!({"spec": spec().to_string(), "verbose_errors": true});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

/// What a request is refused with; nothing when it passes.
fn told(more: &Value, request: RequestBuilder) -> Option<(u16, String)> {
    let plugin = plugin::<OasValidator>(config(more));
    let mut context = request.context(FakeHost::shared());
    answer(plugin.access(&mut context)).map(|answer| {
        let Body::Json(body) = answer.body else {
            panic!("no JSON");
        };
        let text = body["message"].as_str().unwrap();
        let text = text
            .strip_prefix("failed to validate request. ")
            .unwrap_or(text);
        (answer.status.as_u16(), text.to_owned())
    })
}

fn fault(request: RequestBuilder) -> String {
    told(&json!({}), request)
        .map(|(_, text)| text)
        .unwrap_or_default()
}

fn post(content_type: &str, body: &str) -> RequestBuilder {
    request("/pets")
        .method(Method::POST)
        .body(content_type, body.to_owned())
}

#[test]
fn operations_are_found_with_and_without_the_servers_path() {
    for (target, expected) in [
        ("/pets?limit=1", ""),
        ("/v1/pets?limit=1", ""),
        ("/pets/7", ""),
        ("/pets/mine", ""),
        (
            "/pets/x",
            "path parameter 'id': wrong type: expected integer, got string",
        ),
        ("/pets/7/more", "path /pets/7/more is not in the spec"),
        ("/v2/pets", "path /v2/pets is not in the spec"),
    ] {
        assert_eq!(fault(request(target)), expected, "{target}");
    }
    let deleted = fault(request("/pets").method(Method::DELETE));
    assert_eq!(deleted, "method DELETE of path /pets is not in the spec");
}

#[test]
fn parameters_are_read_as_their_style_says() {
    for (query, expected) in [
        ("", "query parameter 'limit': it is required"),
        (
            "limit=10",
            "query parameter 'limit': expected 10 to be smaller than 10",
        ),
        (
            "limit=a",
            "query parameter 'limit': wrong type: expected integer, got string",
        ),
        ("limit=1&tags=a,b", ""),
        (
            "limit=1&tags=a,b,c",
            "query parameter 'tags': expect array to have at most 2 items",
        ),
        ("limit=1&ids=1&ids=2", ""),
        (
            "limit=1&ids=1&ids=x",
            "query parameter 'ids': failed to validate item 2: wrong type: expected integer, got string",
        ),
        ("limit=1&f[n]=1", ""),
        (
            "limit=1&f[n]=x",
            "query parameter 'f': property \"n\" validation failed: wrong type: expected integer, got string",
        ),
        ("limit=1&q=%7B%7D", ""),
        (
            "limit=1&q=7",
            "query parameter 'q': wrong type: expected object, got number",
        ),
    ] {
        assert_eq!(
            fault(request(&format!("/pets?{query}"))),
            expected,
            "{query}"
        );
    }
    let traced = |value| fault(request("/pets?limit=1").header("x-trace", value));
    assert_eq!(traced("0af"), "");
    assert!(traced("xyz").starts_with("header parameter 'X-Trace': failed to match pattern"));
    let cookie = |value| fault(request("/pets?limit=1").header("cookie", value));
    assert_eq!(cookie("a=b; s=true"), "");
    assert!(cookie("s=7").starts_with("cookie parameter 's': wrong type"));
}

#[test]
fn bodies_are_checked_by_their_type() {
    const JSON: &str = "application/json; charset=utf-8";
    for (kind, body, expected) in [
        (
            JSON,
            "{\"name\": \"a\", \"age\": null, \"parent\": {\"name\": \"b\"}}",
            "",
        ),
        (
            JSON,
            "{\"age\": 1}",
            "request body: property \"name\" is required",
        ),
        (
            JSON,
            "{\"name\": \"a\", \"x\": 1}",
            "request body: additional properties forbidden, found x",
        ),
        (
            JSON,
            "{\"name\": \"a\", \"parent\": {}}",
            "request body: property \"parent\" validation failed: property \"name\" is required",
        ),
        (JSON, "", "request body: it is required"),
        ("application/x-www-form-urlencoded", "name=a&age=1", ""),
        (
            "application/x-www-form-urlencoded",
            "name=a&age=x",
            "request body: property \"age\" validation failed: wrong type: expected one of integer, null, got string",
        ),
        ("text/plain", "abc", ""),
        (
            "text/plain",
            "abcd",
            "request body: string too long, expected at most 3, got 4",
        ),
        ("image/png", "anything", ""),
        (
            "application/xml",
            "<a/>",
            "request body: content type 'application/xml' is not in the spec",
        ),
    ] {
        assert_eq!(fault(post(kind, body)), expected, "{kind} {body}");
    }
    assert!(fault(post(JSON, "{")).starts_with("request body: EOF"));
    let unread = request("/pets").method(Method::POST);
    let plugin = plugin::<OasValidator>(config(&json!({})));
    let mut context = unread.context(FakeHost::shared());
    assert!(matches!(plugin.access(&mut context), Step::ReadBody));
}

#[test]
fn what_is_not_to_be_checked_passes() {
    for (skipped, request) in [
        ("skip_path_params_validation", request("/pets/x")),
        ("skip_query_param_validation", request("/pets")),
        (
            "skip_request_header_validation",
            request("/pets?limit=1").header("x-trace", "xyz"),
        ),
        (
            "skip_request_body_validation",
            post("application/json", "{}"),
        ),
        ("none", request("/pets/1")),
    ] {
        let mut more = json!({});
        if skipped != "none" {
            more[skipped] = true.into();
        }
        assert_eq!(told(&more, request), None, "{skipped}");
    }
    assert_eq!(
        told(&json!({"reject_if_not_match": false}), request("/x")),
        None
    );
    let quiet = json!({"verbose_errors": false, "rejection_status_code": 422});
    assert_eq!(
        told(&quiet, request("/x")),
        Some((422, "failed to validate request.".into()))
    );
    let large = told(
        &json!({"max_req_body_size": 3}),
        post("application/json", "{\"name\": 1}"),
    );
    assert!(
        matches!(large, Some((413, text)) if text.starts_with("error reading the request body. err: "))
    );
}

#[test]
fn documents_that_are_none_are_refused() {
    for (spec, reason) in [
        ("{", "failed to parse openapi spec: EOF"),
        (
            "{\"swagger\": \"2.0\"}",
            "failed to parse openapi spec: openapi: expected version 3",
        ),
        (
            "{\"openapi\": \"3.1.0\"}",
            "failed to parse openapi spec: paths: expected an object",
        ),
        (
            "{\"openapi\": \"3.1.0\", \"paths\": {\"/a\": {\"$ref\": \"#/x\"}}}",
            "failed to parse openapi spec: $ref #/x names nothing",
        ),
        (
            "{\"openapi\": \"3.1.0\", \"paths\": {\"/a\": {\"get\": {\"parameters\": [{\"in\": \"query\"}]}}}}",
            "failed to parse openapi spec: paths./a: get: parameters: expected a name",
        ),
    ] {
        let refused = refusal::<OasValidator>(json!({"spec": spec}));
        assert!(refused.starts_with(reason), "{refused}");
    }
    plugin::<OasValidator>(json!({"spec": "openapi: 3.0.3\npaths:\n  /a:\n    get: {}\n"}));
    assert!(refusal::<OasValidator>(json!({})).starts_with("value should match only one schema"));
}

/// Answers every call in the same way, and counts them.
struct Server {
    answer: Mutex<Option<String>>,
    calls: Mutex<Vec<HttpCall>>,
    tasks: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl Outside for Server {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        self.calls.lock().unwrap().push(call);
        let answer = self.answer.lock().unwrap().clone();
        let answer = answer.map(|body| HttpAnswer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            body: Bytes::from(body),
        });
        Box::pin(async move { answer.ok_or(CallError::Unavailable) })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.lock().unwrap().push(task);
    }
}

#[test]
fn a_document_is_fetched_once_and_again_when_it_is_old() {
    let server = Arc::new(Server {
        answer: Mutex::new(None),
        calls: Mutex::default(),
        tasks: Mutex::default(),
    });
    let host = FakeHost::shared();
    host.set_outside(server.clone());
    let config = json!({"spec_url": "https://a.test/o.json", "spec_url_request_headers": {"x-key": "k"}, "timeout": 2000});
    let plugin = plugin::<OasValidator>(config);
    let waits = |target: &str| {
        let mut context = request(target).context(host.clone());
        answer(at_once(plugin.access(&mut context))).map(|answer| answer.status.as_u16())
    };
    let passes = |target: &str| {
        let mut context = request(target).context(host.clone());
        answer(plugin.access(&mut context)).is_none()
    };
    let calls = || server.calls.lock().unwrap().len();
    assert_eq!(waits("/pets/mine"), Some(500));
    assert_eq!(waits("/pets/mine"), Some(500));
    assert_eq!(calls(), 1);
    *server.answer.lock().unwrap() = Some(spec().to_string());
    host.advance(Duration::from_secs(5));
    assert_eq!(waits("/pets/mine"), None);
    assert!(passes("/pets/mine") && !passes("/other"));
    assert_eq!(calls(), 2);
    let call = server.calls.lock().unwrap()[1].clone();
    assert!(!call.verify && call.timeout == Duration::from_secs(2));
    assert_eq!(call.headers["x-key"], "k");
    // It is old: what is known counts until the other one is there.
    host.advance(Duration::from_secs(3600));
    *server.answer.lock().unwrap() =
        Some(json!({"openapi": "3.0.0", "paths": {"/other": {"get": {}}}}).to_string());
    assert!(passes("/pets/mine") && passes("/pets/mine"));
    let tasks = std::mem::take(&mut *server.tasks.lock().unwrap());
    assert_eq!(tasks.len(), 1);
    for task in tasks {
        task.now_or_never().unwrap();
    }
    assert!(passes("/other") && !passes("/pets/mine"));
    assert_eq!(calls(), 3);
}
