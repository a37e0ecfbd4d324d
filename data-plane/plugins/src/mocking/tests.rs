use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response, Step};

use super::Mocking;
use super::example::Shape;
use crate::tests::{answer, plugin, refusal};

fn mocked(config: Value, seed: u64) -> Response {
    let host = FakeHost::shared();
    host.scatter(seed);
    let plugin = plugin::<Mocking>(config);
    let mut context = request("/?who=me").context(host);
    answer(plugin.access(&mut context)).unwrap()
}

fn text(response: &Response) -> String {
    match &response.body {
        Body::Text(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn header(response: &Response, name: &str) -> Vec<String> {
    let found = response.headers.iter().filter(|(known, _)| known == name);
    found
        .map(|(_, value)| value.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_example_is_the_body() {
    let response = mocked(json!({"response_example": "{\"hello\": \"$arg_who\"}"}), 1);
    assert_eq!(response.status, 200);
    assert_eq!(text(&response), "{\"hello\": \"me\"}");
    assert_eq!(
        header(&response, "content-type"),
        ["application/json;charset=utf8"]
    );
    assert_eq!(header(&response, "x-mock-by"), ["APISIX/3.18.0"]);
}

#[test]
fn status_headers_and_type_are_as_configured() {
    let response = mocked(
        json!({
            "response_example": "hi",
            "response_status": 418,
            "content_type": "text/plain",
            "with_mock_header": false,
            "response_headers": {"X-A": "$not_a_variable", "X-B": 1, "Content-Type": "text/html"},
        }),
        1,
    );
    assert_eq!(response.status, StatusCode::IM_A_TEAPOT);
    assert!(header(&response, "x-mock-by").is_empty());
    assert_eq!(header(&response, "x-a"), ["$not_a_variable"]);
    assert_eq!(header(&response, "x-b"), ["1"]);
    assert_eq!(header(&response, "content-type"), ["text/html"]);
}

#[test]
fn the_answer_may_wait() {
    let plugin = plugin::<Mocking>(json!({"response_example": "x", "delay": 2}));
    let mut context = request("/").context(FakeHost::shared());
    let Step::RespondAfter(time, _) = plugin.access(&mut context) else {
        panic!("it does not wait");
    };
    assert_eq!(time, Duration::from_secs(2));
    assert_eq!(
        text(&mocked(json!({"response_example": "x", "delay": -1}), 1)),
        "x"
    );
}

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "fixed": {"type": "string", "example": "a<b"},
        "wrong": {"type": "integer", "example": "text"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "list": {"type": "array", "items": {"properties": {"id": {"type": "integer"}}}},
    }})
}

#[test]
fn a_body_is_made_up_that_fits_the_schema() {
    for seed in 1..50 {
        let response = mocked(json!({"response_schema": schema()}), seed);
        let made: Value = serde_json::from_str(&text(&response)).unwrap();
        let length = made["name"].as_str().unwrap().len();
        assert!((1..=10).contains(&length), "{made}");
        assert_eq!(made["fixed"], "a<b");
        assert!(
            (1..=10_000).contains(&made["wrong"].as_u64().unwrap()),
            "{made}"
        );
        assert!(
            (0.0..10_000.0).contains(&made["number"].as_f64().unwrap()),
            "{made}"
        );
        assert!(made["flag"].is_boolean());
        let list = made["list"].as_array().unwrap();
        assert!((1..=3).contains(&list.len()), "{made}");
        assert!(list.iter().all(|item| item["id"].is_u64()), "{made}");
    }
}

#[test]
fn xml_is_written_below_data() {
    let schema = json!({"properties": {
        "a": {"type": "string", "example": "x<&>"},
        "b": {"type": "array", "example": [1, 2]},
        "c": {"type": "object", "example": {"d": null}},
    }});
    for content_type in ["application/xml", "text/xml; charset=utf-8"] {
        let config = json!({"response_schema": schema, "content_type": content_type});
        assert_eq!(
            text(&mocked(config, 1)),
            "<data><a>x&lt;&amp;&gt;</a><b>1</b><b>2</b><c><d></d></c></data>"
        );
    }
}

#[test]
fn an_example_comes_before_a_schema() {
    let config = json!({"response_example": "e", "response_schema": schema()});
    assert_eq!(text(&mocked(config, 1)), "e");
}

#[test]
fn lists_of_lists_stay_small() {
    let mut schema = json!({"type": "integer"});
    for _ in 0..30 {
        schema = json!({"type": "array", "items": schema});
    }
    let made = Shape::parse(&schema).unwrap().make(&|| 2).to_string();
    assert!(made.len() < 500_000, "{} bytes", made.len());
}

#[test]
fn what_cannot_work_is_refused() {
    let mut deep = json!({"type": "integer"});
    for _ in 0..40 {
        deep = json!({"type": "array", "items": deep});
    }
    for (config, expected) in [
        (
            json!({"response_example": "x", "content_type": "text/html"}),
            "unsupported content type!",
        ),
        (
            json!({"response_example": "x", "content_type": "text/plain;a\nb"}),
            "content_type must be a header value, got \"text/plain;a\\nb\"",
        ),
        (
            json!({"response_example": "x", "response_status": 101}),
            "response_status must be a final status of 200 to 999, got 101",
        ),
        (
            json!({"response_example": "x", "response_status": 1000}),
            "response_status must be a final status of 200 to 999, got 1000",
        ),
        (
            json!({"response_schema": {"properties": {"a": {"type": "date"}}}}),
            "response_schema.a.type must be string, number, integer, boolean, array or object, got \"date\"",
        ),
        (
            json!({"response_schema": deep}),
            "response_schema is deeper than 32 levels",
        ),
        (
            json!({"content_type": "text/xml", "response_schema": {"properties": {"a b": {}}}}),
            "response_schema: \"a b\" cannot be the name of an XML element",
        ),
        (
            json!({"response_example": "x", "response_headers": {"a b": "c"}}),
            "invalid field character in header (response_headers[\"a b\"])",
        ),
    ] {
        assert_eq!(refusal::<Mocking>(config), expected);
    }
    for config in [
        json!({}),
        json!({"response_example": "x", "response_status": 99}),
        json!({"response_example": "x", "response_headers": {}}),
        json!({"response_example": "x", "delay": 0.5}),
    ] {
        assert!(!refusal::<Mocking>(config.clone()).is_empty(), "{config}");
    }
}
