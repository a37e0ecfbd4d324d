use std::sync::Arc;

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, PluginDef, Response};

use super::JwtAuth;
use crate::jwt::tests::hs256;
use crate::tests::{answer, plugin, sent};

/// The second at which the fake host stands.
const NOW: u64 = 1_700_000_000;

fn consumer(name: &str, config: Value) -> Consumer {
    Consumer {
        name: name.into(),
        prepared: JwtAuth::prepare_consumer(&config),
        auth_config: Arc::new(config),
        ..Consumer::default()
    }
}

fn host() -> Arc<FakeHost> {
    let host = FakeHost::shared();
    let jack = json!({"key": "jack-key", "secret": "jack-secret"});
    host.add_key("jwt-auth", "jack-key", consumer("jack", jack));
    let lax = json!({"key": "lax-key", "secret": "bGF4", "base64_secret": true, "lifetime_grace_period": 10});
    host.add_key("jwt-auth", "lax-key", consumer("lax", lax));
    let unresolved = json!({"key": "lost", "algorithm": "RS256", "public_key": "$env://NOWHERE"});
    host.add_key("jwt-auth", "lost", consumer("lost", unresolved));
    host.add_consumer(Consumer {
        name: "guest".into(),
        ..Consumer::default()
    });
    host
}

fn run(config: Value, context: &mut Context) -> Option<Response> {
    answer(plugin::<JwtAuth>(config).rewrite(context))
}

/// What a token in `Authorization` is refused with; `None` when it is accepted.
fn refused(config: Value, token: &str) -> Option<String> {
    let mut context = request("/")
        .header("authorization", &format!("Bearer {token}"))
        .context(host());
    let response = run(config, &mut context)?;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    let challenge = (WWW_AUTHENTICATE, "Bearer realm=\"jwt\"".parse().unwrap());
    assert_eq!(response.headers, [challenge]);
    match response.body {
        Body::Json(body) => Some(body["message"].as_str().unwrap().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn good() -> String {
    hs256(&json!({"key": "jack-key"}), "jack-secret")
}

#[test]
fn a_token_is_looked_for_in_header_query_and_cookie() {
    let token = good();
    let bare = || request("/").header("authorization", &token);
    let lower = || request("/").header("authorization", &format!("bearer {token}"));
    let query = format!("/?jwt={token}");
    let cookie = || request("/").header("cookie", &format!("a=b; jwt={token}"));
    for builder in [bare(), lower(), request(&query), cookie()] {
        let mut context = builder.context(host());
        assert_eq!(run(json!({}), &mut context), None);
        assert_eq!(sent(&context, "x-consumer-username"), ["jack"]);
        assert!(context.jwt_claims.is_none());
    }
    // The first place that has something decides.
    let mut context = request(&query).header("authorization", "x").context(host());
    assert!(run(json!({}), &mut context).is_some());
}

#[test]
fn each_fault_has_its_message() {
    let mut context = request("/").context(host());
    let response = run(json!({}), &mut context).unwrap();
    let missing = json!({"message": "Missing JWT token in request"});
    assert_eq!(response.body, Body::Json(missing));
    let refused = |token: &str| refused(json!({}), token);
    assert_eq!(refused("x").as_deref(), Some("JWT token invalid"));
    let keyless = hs256(&json!({"sub": "jack"}), "jack-secret");
    assert_eq!(
        refused(&keyless).as_deref(),
        Some("missing user key in JWT token")
    );
    let unknown = hs256(&json!({"key": "nobody"}), "jack-secret");
    assert_eq!(
        refused(&unknown).as_deref(),
        Some("Invalid user key in JWT token")
    );
    for token in [
        hs256(&json!({"key": "jack-key"}), "other"),
        hs256(&json!({"key": "jack-key", "exp": NOW}), "jack-secret"),
        hs256(&json!({"key": "jack-key", "nbf": NOW + 1}), "jack-secret"),
        hs256(&json!({"key": "lost"}), "$env://NOWHERE"),
    ] {
        assert_eq!(refused(&token).as_deref(), Some("failed to verify jwt"));
    }
    assert_eq!(refused(&good()), None);
}

#[test]
fn times_hold_as_configured() {
    let token = |claims: Value| hs256(&claims, "jack-secret");
    let exp = json!({"claims_to_verify": ["exp"]});
    let failed = Some("failed to verify jwt".to_owned());
    assert_eq!(
        refused(exp.clone(), &token(json!({"key": "jack-key"}))),
        failed
    );
    let later = json!({"key": "jack-key", "exp": NOW + 1, "nbf": NOW + 9});
    assert_eq!(refused(exp, &token(later)), None);
    let over = json!({"key": "jack-key", "exp": NOW - 1});
    let empty = json!({"claims_to_verify": []});
    assert_eq!(refused(empty, &token(over)), failed);
    let lax = hs256(
        &json!({"key": "lax-key", "exp": NOW - 9, "nbf": NOW + 9}),
        "lax",
    );
    assert_eq!(refused(json!({}), &lax), None);
    let lax = hs256(&json!({"key": "lax-key", "exp": NOW - 10}), "lax");
    assert_eq!(refused(json!({}), &lax), failed);
}

#[test]
fn tokens_are_hidden_even_when_they_are_refused() {
    let config = json!({"hide_credentials": true, "anonymous_consumer": "guest"});
    let token = good();
    for (text, name) in [(token.as_str(), "jack"), ("wrong", "guest")] {
        let mut context = request("/").header("authorization", text).context(host());
        assert_eq!(run(config.clone(), &mut context), None);
        assert!(sent(&context, "authorization").is_empty());
        assert_eq!(sent(&context, "x-consumer-username"), [name]);
        let mut context = request(&format!("/?a=1&jwt={text}")).context(host());
        assert_eq!(run(config.clone(), &mut context), None);
        assert_eq!(context.target.uri.as_deref(), Some("/?a=1"));
        let mut context = request("/")
            .header("cookie", &format!("a=1; jwt={text}"))
            .context(host());
        assert_eq!(run(config.clone(), &mut context), None);
        assert_eq!(sent(&context, "cookie"), ["a=1"]);
    }
}

#[test]
fn claims_are_kept_for_later_plugins_and_the_claim_can_be_chosen() {
    let config = json!({"store_in_ctx": true, "key_claim_name": "iss"});
    let token = hs256(&json!({"iss": "jack-key", "role": "admin"}), "jack-secret");
    let mut context = request("/").header("authorization", &token).context(host());
    assert_eq!(run(config, &mut context), None);
    assert_eq!(context.jwt_claims.unwrap()["role"], "admin");
}

#[test]
fn credentials_are_checked_when_they_are_written() {
    let check = |config: Value| JwtAuth::check_consumer(&config);
    assert_eq!(
        check(json!({"key": "a"})),
        Err("property \"secret\" is required when using HS based algorithms".into())
    );
    assert_eq!(
        check(json!({"key": "a", "algorithm": "RS256", "public_key": "x"})),
        Err("missing valid public key".into())
    );
    assert_eq!(
        check(json!({"key": "a", "secret": "!", "base64_secret": true})),
        Err("base64_secret required but the secret is not in base64 format".into())
    );
    assert_eq!(
        check(json!({"key": "a", "secret": "$secret://vault/1/jwt"})),
        Ok(())
    );
    assert_eq!(
        check(json!({"key": "a", "secret": "s", "algorithm": "HS512"})),
        Ok(())
    );
}
