use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Context, Plugin, RequestBody, Step};

use super::RequestValidation;
use crate::tests::{answer, plugin, refusal};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn run(config: Value, request: RequestBuilder) -> (Option<(u16, Body)>, Context) {
    let plugin = plugin::<RequestValidation>(config);
    let mut context = request.context(FakeHost::shared());
    let answer = answer(plugin.rewrite(&mut context));
    let answer = answer.map(|answer| (answer.status.as_u16(), answer.body));
    (answer, context)
}

fn post(content_type: &str, body: &str) -> RequestBuilder {
    request("/")
        .method(Method::POST)
        .body(content_type, body.to_owned())
}

fn text(text: &'static str) -> Option<(u16, Body)> {
    Some((400, Body::Text(Bytes::from_static(text.as_bytes()))))
}

fn body_schema() -> Value {
    json!({"body_schema": {"type": "object", "required": ["id"], "properties": {
        "id": {"type": "integer"}, "count": {"type": "integer", "default": 1}}}})
}

#[test]
fn a_body_that_fits_goes_on_as_it_was_checked() {
    let (answer, context) = run(body_schema(), post(JSON, "{ \"id\": 1, \"id\": 7 }"));
    assert_eq!(answer, None);
    let sent = context.request.body.replacement().unwrap();
    assert_eq!(*sent, Bytes::from_static(b"{\"id\":7,\"count\":1}"));
}

#[test]
fn a_body_that_does_not_fit_is_refused_with_the_reason() {
    let (answer, _) = run(body_schema(), post(JSON, "{}"));
    assert_eq!(answer, text("property \"id\" is required"));
    let (answer, _) = run(body_schema(), post(JSON, "{\"id\": \"x\"}"));
    assert_eq!(
        answer,
        text("property \"id\" validation failed: wrong type: expected integer, got string")
    );
    let (answer, _) = run(body_schema(), post(JSON, "{"));
    let (status, Body::Text(reason)) = answer.unwrap() else {
        panic!("no text");
    };
    assert!(status == 400 && reason.starts_with(b"EOF"), "{reason:?}");
    let deep = "[".repeat(100_000);
    assert!(run(body_schema(), post(JSON, &deep)).0.is_some());
}

#[test]
fn status_and_text_may_be_chosen() {
    let mut config = body_schema();
    config["rejected_code"] = 422.into();
    config["rejected_msg"] = "no".into();
    for body in ["{}", "", "x"] {
        let (answer, _) = run(config.clone(), post(JSON, body));
        assert_eq!(answer, Some((422, Body::Text(Bytes::from_static(b"no")))));
    }
}

#[test]
fn no_body_is_refused() {
    let (answer, _) = run(body_schema(), post(JSON, ""));
    assert_eq!(answer, Some((400, Body::Page)));
    let plugin = plugin::<RequestValidation>(body_schema());
    let mut context = request("/").context(FakeHost::shared());
    assert!(matches!(plugin.rewrite(&mut context), Step::ReadBody));
    assert_eq!(context.request.body.wanted(), Some(64 << 20));
}

#[test]
fn a_large_body_is_refused() {
    let mut config = body_schema();
    config["max_req_body_size"] = 5.into();
    let (refused, _) = run(config.clone(), post(JSON, "{\"id\": 1}"));
    assert_eq!(refused, text("request body is larger than 5 bytes"));
    let plugin = plugin::<RequestValidation>(config);
    let mut context = request("/").context(FakeHost::shared());
    context.request.body = RequestBody::default();
    context
        .request
        .body
        .set_larger_than(5, Bytes::from_static(b"{\"id\""));
    let answer = answer(plugin.rewrite(&mut context)).unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[test]
fn a_form_has_texts_and_stays_as_it_is() {
    let config = json!({"body_schema": {"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string"}, "b": {"type": "array"}}}});
    let charset = format!("{FORM}; charset=utf-8");
    for kind in [FORM, &charset] {
        let (answer, context) = run(config.clone(), post(kind, "a=1&b=x&b=y"));
        assert_eq!(answer, None);
        assert_eq!(context.request.body.replacement(), None);
    }
    let (answer, _) = run(config, post(FORM, "a=1&a=2"));
    assert_eq!(
        answer,
        text("property \"a\" validation failed: wrong type: expected string, got table")
    );
}

#[test]
fn two_content_types_are_refused() {
    let twice = post(JSON, "{\"id\": 1}").header("content-type", FORM);
    let (answer, _) = run(body_schema(), twice);
    assert_eq!(answer, text("duplicate Content-Type header"));
}

#[test]
fn headers_are_found_in_whichever_case_and_checked_first() {
    let mut config = body_schema();
    config["header_schema"] = json!({"type": "object", "required": ["X_Tenant"], "properties": {
        "X_Tenant": {"type": "string", "pattern": "^[a-z]+$"}}});
    let ask = |value: &str| {
        let request = post(JSON, "{\"id\": 1}").header("x-tenant", value);
        run(config.clone(), request).0
    };
    assert_eq!(ask("acme"), None);
    assert_eq!(
        ask("ACME"),
        text(
            "property \"X_Tenant\" validation failed: failed to match pattern \"^[a-z]+$\" with \
             \"ACME\""
        )
    );
    let (answer, _) = run(config.clone(), post(JSON, ""));
    assert_eq!(answer, text("property \"X_Tenant\" is required"));
    let twice = post(JSON, "{\"id\": 1}")
        .header("x-tenant", "a")
        .header("x-tenant", "b");
    assert_eq!(
        run(config, twice).0,
        text("property \"X_Tenant\" validation failed: wrong type: expected string, got table")
    );
}

#[test]
fn schemas_that_cannot_work_are_refused() {
    assert_eq!(
        refusal::<RequestValidation>(json!({})),
        "object matches none of the required: [\"header_schema\"] or [\"body_schema\"]"
    );
    assert_eq!(
        refusal::<RequestValidation>(json!({"body_schema": {"type": "text"}})),
        "body_schema: invalid JSON type: \"text\""
    );
    assert_eq!(
        refusal::<RequestValidation>(json!({"header_schema": {"$ref": "#"}})),
        "header_schema: $ref # leads back to itself"
    );
}
