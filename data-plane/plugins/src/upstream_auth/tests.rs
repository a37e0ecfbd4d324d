use std::sync::Arc;

use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Consumer, Context, Plugin};

use super::UpstreamAuth;
use crate::jwt::{Algorithm, Token, VerifyKey};
use crate::tests::{answer, plugin, refusal, sent};

/// A request on its way to the node, after two tries.
fn run(config: Value, request: RequestBuilder) -> Context {
    let mut context = request.context(FakeHost::shared());
    context.consumer = Some(Arc::new(Consumer {
        name: "jack".into(),
        ..Consumer::default()
    }));
    let plugin = plugin::<UpstreamAuth>(config);
    for _ in 0..2 {
        assert!(answer(plugin.before_proxy(&mut context)).is_none());
    }
    context
}

#[test]
fn a_key_replaces_what_the_client_sent() {
    let asked = request("/")
        .header("x-api-key", "client")
        .header("x-api-key", "twice");
    let context = run(
        json!({"key": {"header": "X-API-Key", "value": "ours"}}),
        asked,
    );
    assert_eq!(sent(&context, "x-api-key"), ["ours"]);
    let config = json!({"key": {"query": "api key", "value": "a&b"}});
    let uri = |target: &str| run(config.clone(), request(target)).target.uri.unwrap();
    assert_eq!(uri("/a%20b"), "/a%20b?api%20key=a%26b");
    assert_eq!(
        uri("/a?x=1&api%20key=forged&api+key=2"),
        "/a?x=1&api%20key=a%26b"
    );
    let mut context = request("/a?x=1").context(FakeHost::shared());
    context.target.uri = Some("/rewritten?y=2".into());
    assert!(answer(plugin::<UpstreamAuth>(config).before_proxy(&mut context)).is_none());
    assert_eq!(
        context.target.uri.as_deref(),
        Some("/rewritten?y=2&api%20key=a%26b")
    );
}

#[test]
fn basic_credentials_are_encoded() {
    let config = json!({"basic": {"username": "foo", "password": "b:ar"}});
    let context = run(
        config,
        request("/").header("authorization", "Bearer client"),
    );
    assert_eq!(sent(&context, "authorization"), ["Basic Zm9vOmI6YXI="]);
}

#[test]
fn a_token_says_who_asks_for_a_short_time() {
    let config = json!({"jwt": {"secret": "s", "key_id": "k", "lifetime": 30, "header": "X-Token", "scheme": "",
        "claims": {"sub": "$consumer_name", "aud": "orders", "none": "$arg_none", "mixed": "a-$arg_none", "n": 1}}});
    let context = run(config, request("/"));
    let text = sent(&context, "x-token").remove(0);
    let token = Token::parse(&text).unwrap();
    assert!(token.is_signed_by(&VerifyKey::secret(Algorithm::HS256, b"s").unwrap()));
    assert_eq!(
        token.claims,
        json!({"iss": "test-host", "sub": "jack", "aud": "orders", "n": 1,
            "iat": 1_700_000_000, "exp": 1_700_000_030})
    );
    let context = run(json!({"jwt": {"secret": "s"}}), request("/"));
    assert!(sent(&context, "authorization")[0].starts_with("Bearer ey"));
}

#[test]
fn the_clients_own_credentials_are_taken_out_if_asked() {
    let config = json!({"key": {"header": "X-Key", "value": "v"},
        "strip": {"headers": ["Authorization", "apikey"], "query": ["token"], "cookies": ["jwt"]}});
    let asked = request("/a?token=x&b=1")
        .header("authorization", "Bearer t")
        .header("apikey", "k")
        .header("cookie", "a=1; jwt=x");
    let context = run(config, asked);
    assert!(sent(&context, "authorization").is_empty() && sent(&context, "apikey").is_empty());
    assert_eq!(context.target.uri.as_deref(), Some("/a?b=1"));
    assert_eq!(sent(&context, "cookie"), ["a=1"]);
    assert_eq!(sent(&context, "x-key"), ["v"]);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<UpstreamAuth>(json!({}));
    refusal::<UpstreamAuth>(json!({"key": {"value": "v"}}));
    refusal::<UpstreamAuth>(
        json!({"key": {"header": "a", "value": "v"}, "basic": {"username": "a", "password": "b"}}),
    );
    let told = |config: Value| refusal::<UpstreamAuth>(config);
    assert_eq!(
        told(json!({"key": {"header": "a", "value": "x\ny"}})),
        "key.value must be able to stand in a header"
    );
    assert_eq!(
        told(json!({"basic": {"username": "a:b", "password": ""}})),
        "basic.username must not have a colon in it"
    );
    assert_eq!(
        told(json!({"jwt": {"algorithm": "RS256", "secret": "s"}})),
        "jwt: algorithm \"RS256\" takes no secret"
    );
    assert_eq!(
        told(json!({"jwt": {"algorithm": "ES256", "private_key": "hush"}})),
        "jwt: not a private key in PEM for ES256"
    );
}
