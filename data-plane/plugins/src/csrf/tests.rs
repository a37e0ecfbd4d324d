use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Body, Plugin};

use super::Csrf;
use crate::tests::{answer, plugin, refusal};

/// The token that an answer brings, and the rest of its cookie.
fn given(config: &Value) -> (String, String) {
    let mut context = request("/").context(FakeHost::shared());
    context.response = Some(response(200, &[("set-cookie", "a=b")]));
    plugin::<Csrf>(config.clone()).header_filter(&mut context);
    let headers = context.response.unwrap().headers;
    let cookie = headers.get_all("set-cookie").iter().nth(1).unwrap();
    let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
    let (_, token) = pair.split_once('=').unwrap();
    (token.to_owned(), rest.to_owned())
}

/// What a request with this header and cookie is refused with.
fn refused(config: &Value, header: Option<&str>, kept: Option<&str>, age: u64) -> Option<String> {
    let mut builder = request("/").method(Method::POST);
    if let Some(token) = header {
        builder = builder.header("apisix-csrf-token", token);
    }
    if let Some(token) = kept {
        builder = builder.header("cookie", &format!("x=y; apisix-csrf-token={token}"));
    }
    let host = FakeHost::shared();
    host.advance(Duration::from_secs(age));
    let mut context = builder.context(host);
    let refused = answer(plugin::<Csrf>(config.clone()).access(&mut context))?;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    match refused.body {
        Body::Json(body) => Some(body["error_msg"].as_str().unwrap().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_token_must_come_back_in_header_and_cookie() {
    let config = json!({"key": "secret"});
    let (token, rest) = given(&config);
    assert_eq!(
        rest,
        "path=/;SameSite=Lax;Expires=Wed, 15 Nov 2023 00:13:20 GMT"
    );
    let token = Some(token.as_str());
    let refused = |header, kept, age| refused(&config, header, kept, age);
    assert_eq!(refused(token, token, 7200), None);
    let failed = Some("Failed to verify the csrf token signature".to_owned());
    assert_eq!(refused(token, token, 7201), failed);
    assert_eq!(
        refused(None, token, 0).as_deref(),
        Some("no csrf token in headers")
    );
    assert_eq!(
        refused(Some(""), token, 0).as_deref(),
        Some("no csrf token in headers")
    );
    assert_eq!(refused(token, None, 0).as_deref(), Some("no csrf cookie"));
    assert_eq!(
        refused(token, Some("x"), 0).as_deref(),
        Some("csrf token mismatch")
    );
    assert_eq!(refused(Some("x"), Some("x"), 0), failed);
    let (other, _) = given(&json!({"key": "other"}));
    assert_eq!(refused(Some(&other), Some(&other), 0), failed);
}

#[test]
fn safe_methods_pass_and_a_token_may_live_for_ever() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let mut context = request("/").method(method).context(FakeHost::shared());
        assert!(answer(plugin::<Csrf>(json!({"key": "k"})).access(&mut context)).is_none());
    }
    let config = json!({"key": "k", "expires": 0});
    let (token, rest) = given(&config);
    assert_eq!(rest, "path=/;SameSite=Lax");
    assert_eq!(refused(&config, Some(&token), Some(&token), 1 << 30), None);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<Csrf>(json!({}));
    let text = refusal::<Csrf>(json!({"key": "k", "name": "a b"}));
    assert_eq!(text, "name must be a header name, got \"a b\"");
}

#[test]
fn a_distant_end_is_written_as_a_date() {
    let (_, rest) = given(&json!({"key": "k", "expires": i64::MAX}));
    assert!(rest.ends_with("GMT"), "{rest}");
}
