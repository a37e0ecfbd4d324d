use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, Response};

use super::KeyAuth;
use crate::tests::{answer, plugin, refusal, sent};

fn host() -> std::sync::Arc<FakeHost> {
    let host = FakeHost::shared();
    host.add_key(
        "key-auth",
        "secret",
        Consumer {
            name: "jack".into(),
            labels: BTreeMap::from([("custom_id".into(), "495".into())]),
            credential_id: Some("cred-1".into()),
            ..Consumer::default()
        },
    );
    host.add_key(
        "key-auth",
        "plain",
        Consumer {
            name: "rose".into(),
            ..Consumer::default()
        },
    );
    host.add_consumer(Consumer {
        name: "guest".into(),
        ..Consumer::default()
    });
    host
}

fn run(config: serde_json::Value, context: &mut Context) -> Option<Response> {
    answer(plugin::<KeyAuth>(config).rewrite(context))
}

fn unauthorized(message: &str, realm: &str) -> Response {
    let mut response = Response::page(StatusCode::UNAUTHORIZED).with_header(
        http::header::WWW_AUTHENTICATE,
        format!("apikey realm=\"{realm}\"").parse().unwrap(),
    );
    response.body = Body::Json(json!({ "message": message }));
    response
}

#[test]
fn a_key_in_the_header_attaches_the_consumer() {
    let mut context = request("/").header("apikey", "secret").context(host());
    assert_eq!(run(json!({}), &mut context), None);
    assert_eq!(context.consumer.as_ref().unwrap().name, "jack");
    assert_eq!(sent(&context, "x-consumer-username"), ["jack"]);
    assert_eq!(sent(&context, "x-credential-identifier"), ["cred-1"]);
    assert_eq!(sent(&context, "x-consumer-custom-id"), ["495"]);
    assert_eq!(sent(&context, "apikey"), ["secret"]);
}

#[test]
fn headers_that_the_client_forged_are_removed() {
    let mut context = request("/")
        .header("apikey", "plain")
        .header("x-consumer-username", "jack")
        .header("x-credential-identifier", "cred-1")
        .header("x-consumer-custom-id", "495")
        .context(host());
    assert_eq!(run(json!({}), &mut context), None);
    assert_eq!(sent(&context, "x-consumer-username"), ["rose"]);
    assert!(sent(&context, "x-credential-identifier").is_empty());
    assert!(sent(&context, "x-consumer-custom-id").is_empty());
}

#[test]
fn a_key_in_the_query_is_taken_when_there_is_no_header() {
    let mut context = request("/a?apikey=secret").context(host());
    assert_eq!(run(json!({}), &mut context), None);
    assert_eq!(context.consumer.unwrap().name, "jack");
}

#[test]
fn the_header_wins_over_the_query() {
    let mut context = request("/?apikey=secret")
        .header("apikey", "plain")
        .context(host());
    assert_eq!(run(json!({}), &mut context), None);
    assert_eq!(context.consumer.unwrap().name, "rose");
    let mut context = request("/?apikey=secret")
        .header("apikey", "wrong")
        .context(host());
    let expected = unauthorized("Invalid API key in request", "key");
    assert_eq!(run(json!({}), &mut context), Some(expected));
}

#[test]
fn requests_without_a_good_key_are_refused() {
    let mut context = request("/").context(host());
    let expected = unauthorized("Missing API key in request", "key");
    assert_eq!(run(json!({}), &mut context), Some(expected));
    let mut context = request("/").header("apikey", "wrong").context(host());
    let expected = unauthorized("Invalid API key in request", "shop");
    assert_eq!(run(json!({"realm": "shop"}), &mut context), Some(expected));
    assert!(context.consumer.is_none());
    let mut context = request("/").header("apikey", "").context(host());
    let expected = unauthorized("Invalid API key in request", "key");
    assert_eq!(run(json!({}), &mut context), Some(expected));
}

#[test]
fn header_and_query_names_can_be_chosen() {
    let config = json!({"header": "X-Key", "query": "k"});
    let mut context = request("/").header("x-key", "secret").context(host());
    assert_eq!(run(config.clone(), &mut context), None);
    let mut context = request("/?k=secret").context(host());
    assert_eq!(run(config.clone(), &mut context), None);
    let mut context = request("/?apikey=secret").context(host());
    assert!(run(config, &mut context).is_some());
}

#[test]
fn hidden_credentials_are_taken_from_where_they_were_found() {
    let config = json!({"hide_credentials": true});
    let mut context = request("/?apikey=kept")
        .header("apikey", "secret")
        .context(host());
    assert_eq!(run(config.clone(), &mut context), None);
    assert!(sent(&context, "apikey").is_empty());
    assert_eq!(context.request.query.as_deref(), Some("apikey=kept"));
    assert_eq!(context.target.uri, None);

    let mut context = request("/a%20b?x=1&apikey=secret&y=2").context(host());
    assert_eq!(run(config.clone(), &mut context), None);
    assert_eq!(context.request.query.as_deref(), Some("x=1&y=2"));
    assert_eq!(context.target.uri.as_deref(), Some("/a%20b?x=1&y=2"));
    assert_eq!(context.request.raw_target, "/a%20b?x=1&y=2");

    let mut context = request("/a?apikey=secret").context(host());
    assert_eq!(run(config, &mut context), None);
    assert_eq!(context.request.query, None);
    assert_eq!(context.target.uri.as_deref(), Some("/a"));
    assert_eq!(context.request.raw_target, "/a");
}

#[test]
fn a_target_that_was_rewritten_before_loses_the_credential_too() {
    let mut context = request("/a?apikey=secret").context(host());
    context.target.uri = Some("/other?z=1&apikey=secret".into());
    assert_eq!(run(json!({"hide_credentials": true}), &mut context), None);
    assert_eq!(context.target.uri.as_deref(), Some("/other?z=1"));
}

#[test]
fn the_anonymous_consumer_takes_over() {
    let config = json!({"anonymous_consumer": "guest"});
    for builder in [request("/"), request("/").header("apikey", "wrong")] {
        let mut context = builder.context(host());
        assert_eq!(run(config.clone(), &mut context), None);
        assert_eq!(sent(&context, "x-consumer-username"), ["guest"]);
    }
}

#[test]
fn the_anonymous_consumer_hides_both_places() {
    let config = json!({"anonymous_consumer": "guest", "hide_credentials": true});
    let mut context = request("/?apikey=wrong&a=1")
        .header("apikey", "wrong")
        .context(host());
    assert_eq!(run(config, &mut context), None);
    assert!(sent(&context, "apikey").is_empty());
    assert_eq!(context.target.uri.as_deref(), Some("/?a=1"));
}

#[test]
fn a_missing_anonymous_consumer_refuses() {
    let mut context = request("/").context(host());
    let expected = unauthorized("Invalid user authorization", "key");
    let config = json!({"anonymous_consumer": "nobody"});
    assert_eq!(run(config, &mut context), Some(expected));
}

#[test]
fn wrong_configurations_are_refused() {
    let text = refusal::<KeyAuth>(json!({"header": "a b"}));
    assert_eq!(text, "header must be a header name, got \"a b\"");
    assert!(!refusal::<KeyAuth>(json!({"realm": "a\"b"})).is_empty());
    assert!(!refusal::<KeyAuth>(json!({"anonymous_consumer": ""})).is_empty());
}
