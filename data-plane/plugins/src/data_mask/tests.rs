use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Context, Plugin};

use super::DataMask;
use crate::tests::{plugin, refusal, sent};

fn mask(items: Value, request: RequestBuilder) -> Context {
    run(json!({"request": items}), request)
}

fn run(config: Value, request: RequestBuilder) -> Context {
    let plugin = plugin::<DataMask>(config);
    let mut context = request.context(FakeHost::shared());
    plugin.log(&mut context);
    context
}

fn body(context: &Context) -> String {
    let body = context.request.body.front(usize::MAX).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

fn post(kind: &str, body: impl Into<Bytes>) -> RequestBuilder {
    request("/").method(Method::POST).body(kind, body)
}

#[test]
fn arguments_are_removed_replaced_and_rewritten() {
    let items = json!([
        {"type": "query", "name": "password", "action": "remove"},
        {"type": "query", "name": "token", "action": "replace", "value": "*****"},
        {"type": "query", "name": "card", "action": "regex", "regex": "(\\d+)-\\d+-(\\d+)", "value": "$1-**-$2"},
    ]);
    let target = "/a?x=%41&password=1&token=2&%74oken=3&card=12-34-56&password";
    let context = mask(items.clone(), request(target));
    let query = "x=%41&token=*****&%74oken=*****&card=12-**-56";
    assert_eq!(context.request.query.as_deref(), Some(query));
    assert_eq!(context.request.raw_target, format!("/a?{query}"));
    let context = mask(items.clone(), request("/a?password=1"));
    assert_eq!(context.request.query, None);
    assert_eq!(context.request.raw_target, "/a");
    assert_eq!(mask(items, request("/a")).request.raw_target, "/a");
}

#[test]
fn fields_of_the_head_are_masked_every_time_they_stand_there() {
    let items = json!([
        {"type": "header", "name": "X-Token", "action": "replace", "value": "*"},
        {"type": "header", "name": "cookie", "action": "remove"},
        {"type": "header", "name": "x-card", "action": "regex", "regex": "\\d", "value": "#"},
    ]);
    let asked = request("/")
        .header("x-token", "1")
        .header("x-token", "2")
        .header("cookie", "a=b")
        .header("x-card", "no 12")
        .header("x-other", "1");
    let context = mask(items, asked);
    assert_eq!(sent(&context, "x-token"), ["*", "*"]);
    assert!(sent(&context, "cookie").is_empty());
    assert_eq!(sent(&context, "x-card"), ["no ##"]);
    assert_eq!(sent(&context, "x-other"), ["1"]);
}

#[test]
fn json_is_masked_at_its_paths() {
    let item = |name: &str, action: &str| {
        json!({"type": "body", "body_format": "json", "name": name, "action": action,
               "regex": "^\\d+", "value": "*"})
    };
    let items = json!([
        item("$.password", "replace"),
        item("$.users[*].card", "regex"),
        item("$..secret", "remove"),
    ]);
    let text = json!({
        "password": {"a": 1},
        "users": [{"card": "12-34", "secret": 1}, {"card": 5678}, {"card": null}],
    });
    let context = mask(items, post("application/json", text.to_string()));
    let expected = json!({
        "password": "*",
        "users": [{"card": "*-34"}, {"card": "*"}, {"card": null}],
    });
    assert_eq!(body(&context), expected.to_string());
}

#[test]
fn forms_are_masked_by_name() {
    let items = json!([
        {"type": "body", "body_format": "urlencoded", "name": "p w", "action": "replace", "value": "* *"},
        {"type": "body", "body_format": "urlencoded", "name": "x", "action": "remove"},
    ]);
    let context = mask(
        items.clone(),
        post("application/x-www-form-urlencoded", "a=1&p+w=2&x=3"),
    );
    assert_eq!(body(&context), "a=1&p+w=*+*");
    let config = json!({"request": items, "max_req_post_args": 2});
    let context = run(
        config,
        post("application/x-www-form-urlencoded", "a=1&b=2&p+w=3"),
    );
    assert_eq!(body(&context), "a=1&b=2");
}

#[test]
fn a_body_that_cannot_be_masked_is_not_logged() {
    let items = json!([{"type": "body", "body_format": "json", "name": "$.a", "action": "remove"}]);
    let config = json!({"request": items, "max_body_size": 10});
    let broken = run(config.clone(), post("application/json", "{\"a\": 1"));
    assert_eq!(body(&broken), "");
    let large = run(
        config.clone(),
        post("application/json", "{\"a\": \"1234567\"}"),
    );
    assert_eq!(body(&large), "");
    let plugin = plugin::<DataMask>(config);
    let mut context = request("/").context(FakeHost::shared());
    let front = Bytes::from_static(b"{\"a\"");
    context.request.body.set_larger_than(4, front);
    plugin.log(&mut context);
    assert_eq!(body(&context), "");
    // Nobody has read it.
    let mut context = request("/").context(FakeHost::shared());
    plugin.log(&mut context);
    assert!(context.request.body.front(1).is_none());
    // Nothing is said about bodies.
    let items = json!([{"type": "query", "name": "a", "action": "remove"}]);
    let context = mask(items, post("text/plain", "plain"));
    assert_eq!(body(&context), "plain");
}

#[test]
fn wrong_configurations_are_refused() {
    let text = |item: Value| refusal::<DataMask>(json!({"request": [item]}));
    let named = text(json!({"type": "header", "name": "a b", "action": "remove"}));
    assert_eq!(named, "request[0]: name must be a header name, got \"a b\"");
    let path =
        json!({"type": "body", "body_format": "json", "name": "$.a[?(@.b)]", "action": "remove"});
    assert!(text(path).starts_with("request[0]: name must be a path such as $.user.password"));
    let regex = json!({"type": "query", "name": "a", "action": "regex", "regex": "(", "value": ""});
    assert!(text(regex).starts_with("request[0]: regex \"(\": "));
    for item in [
        json!({"type": "body", "name": "a", "action": "remove"}),
        json!({"type": "query", "name": "a", "action": "replace"}),
        json!({"type": "query", "name": "a", "action": "regex", "value": "x"}),
        json!({"type": "query", "name": "a"}),
        json!({"type": "path", "name": "a", "action": "remove"}),
    ] {
        assert!(!text(item.clone()).is_empty(), "{item}");
    }
    assert!(!refusal::<DataMask>(json!({"max_body_size": 0})).is_empty());
}
