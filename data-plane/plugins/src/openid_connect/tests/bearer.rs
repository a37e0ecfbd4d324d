//! Clients that bring a token, and what cannot work.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::request;

use super::super::OpenidConnect;
use super::bed::{Bed, Key, NOW, bearer, claims, decoded, field};
use crate::fake_service::{FakeService, nobody};
use crate::jwt::tests::token;
use crate::tests::{answer, at_once, plugin, refusal, sent};

#[test]
fn bearer_tokens_are_verified_by_published_keys_that_rotate() {
    let bed = Bed::new(
        json!({"bearer_only": true, "use_jwks": true, "required_scopes": ["read", "write"],
        "claim_validator": {"audience": {"required": true, "match_with_client_id": true}}}),
    );
    let good = |changed: Value| {
        let mut all = json!({"scope": "write read"});
        all.as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        claims(all)
    };
    let (response, context) = bed.send(bearer(&bed.key.sign(&good(json!({})))));
    assert!(response.is_none());
    assert!(sent(&context, "x-access-token")[0].starts_with("ey"));
    assert_eq!(decoded(&context, "x-userinfo")["sub"], "jack");
    let status = |changed: Value| bed.status(bearer(&bed.key.sign(&good(changed))));
    assert_eq!(status(json!({"exp": NOW - 121})), 401);
    assert_eq!(status(json!({"nbf": NOW + 121})), 401);
    assert_eq!(status(json!({"iss": "http://evil.test"})), 401);
    assert_eq!(status(json!({"scope": "read"})), 403);
    assert_eq!(status(json!({"aud": "other"})), 403);
    assert_eq!(status(json!({"aud": null})), 403);
    let (response, _) = bed.send(request("/a"));
    let response = response.unwrap();
    assert_eq!(
        field(&response, "www-authenticate"),
        ["Bearer realm=\"apisix\""]
    );
    let (response, _) = bed.send(bearer("a.b.c"));
    assert_eq!(
        field(&response.unwrap(), "www-authenticate"),
        [
            "Bearer realm=\"apisix\", error=\"invalid_token\", error_description=\"invalid jwt string\""
        ]
    );
    assert_eq!(
        bed.status(request("/a").header("authorization", "Bearer")),
        400
    );
    assert_eq!(
        bed.status(request("/a").header("authorization", "Basic Zm9v")),
        401
    );
    assert_eq!(
        bed.status(request("/a").header("x-access-token", &bed.key.sign(&good(json!({}))))),
        200
    );
    // A new key is looked for, though not all the time.
    let new = Key::new("k2");
    bed.set(|says| says.keys = vec![Arc::clone(&new)]);
    bed.service.asked();
    let signed = new.sign(&good(json!({})));
    assert_eq!(bed.status(bearer(&signed)), 401);
    bed.host.advance(Duration::from_secs(10));
    assert_eq!(bed.status(bearer(&signed)), 200);
    assert_eq!(bed.status(bearer(&bed.key.sign(&good(json!({}))))), 401);
    assert_eq!(bed.calls("/jwks").len(), 1);
    let none = token(&json!({"alg": "none"}), &good(json!({})), |_| Vec::new());
    assert_eq!(bed.status(bearer(&none)), 401);
}

#[test]
fn introspection_is_asked_once_while_its_answer_is_good() {
    let bed = Bed::new(
        json!({"introspection_endpoint": "http://op.test/introspect", "introspection_endpoint_auth_method": "client_secret_post",
        "introspection_addon_headers": ["X-Tenant"], "introspection_interval": 5, "access_token_in_authorization_header": true}),
    );
    assert_eq!(bed.status(bearer("t1")), 401);
    bed.set(|says| says.introspection = json!({"active": true, "sub": "jack", "exp": NOW + 60}));
    bed.service.asked();
    for _ in 0..2 {
        let (response, context) = bed.send(bearer("t1").header("x-tenant", "a"));
        assert!(response.is_none());
        assert_eq!(sent(&context, "authorization"), ["Bearer t1"]);
    }
    let asked = bed.calls("/introspect");
    assert_eq!(asked.len(), 1);
    assert_eq!(
        &asked[0].body[..],
        b"token=t1&token_type_hint=access_token&client_id=gw&client_secret=s%26s"
    );
    assert_eq!(asked[0].headers["x-tenant"], "a");
    bed.host.advance(Duration::from_secs(5));
    bed.set(|says| says.introspection = Value::Null);
    assert_eq!(bed.status(bearer("t1").header("x-tenant", "a")), 503);
    // Who brings no token logs in.
    assert_eq!(bed.status(request("/a")), 302);
}

#[test]
fn what_is_known_of_a_user_must_fit_the_schema() {
    let schema = json!({"type": "object", "required": ["user"], "properties": {"user": {"type": "object", "required": ["email"]}}});
    let bed = Bed::new(json!({"claim_schema": schema}));
    let session = bed.enter();
    let (response, _) = bed.send(request("/a").header("cookie", &session));
    let response = response.unwrap();
    assert_eq!(response.status, 401);
    assert!(field(&response, "www-authenticate")[0].contains("error=\"invalid_claim\""));
}

#[test]
fn a_provider_that_is_gone_is_503() {
    let (_, host) = FakeService::start(|_| Err(nobody()));
    let plugin = plugin::<OpenidConnect>(
        json!({"client_id": "gw", "client_secret": "s", "discovery": "http://op.test/discovery", "use_jwks": true}),
    );
    for asked in [
        request("/a"),
        bearer(&Key::new("k").sign(&claims(json!({})))),
    ] {
        let mut context = asked.context(Arc::clone(&host));
        assert_eq!(
            answer(at_once(plugin.rewrite(&mut context)))
                .unwrap()
                .status,
            503
        );
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let told = |extra: Value| {
        let mut config =
            json!({"client_id": "gw", "client_secret": "s", "discovery": "http://op.test/d"});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        refusal::<OpenidConnect>(config)
    };
    for (extra, text) in [
        (
            json!({"proxy_opts": {"https_proxy": "https://p"}}),
            "proxy_opts.https_proxy",
        ),
        (
            json!({"dpop": {"enabled": true, "private_key": "k", "public_jwk": {}}}),
            "dpop.private_key: not a private key",
        ),
        (json!({"force_reauthorize": true}), "force_reauthorize"),
        (
            json!({"session": {"secret": "0123456789abcdef", "storage": "redis", "redis": {"server_name": "redis.test"}}}),
            "session.redis.server_name",
        ),
        (
            json!({"token_endpoint_auth_method": "none"}),
            "token_endpoint_auth_method: expected",
        ),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            "client_rsa_private_key is required",
        ),
        (json!({"public_key": "k"}), "public_key is not"),
        (json!({"discovery": "op"}), "discovery: expected a URL"),
        (
            json!({"redirect_uri": "callback"}),
            "redirect_uri: expected a URL",
        ),
        (
            json!({"authorization_params": {"state": "x"}}),
            "authorization_params.state",
        ),
        (json!({"realm": "a\"b"}), "realm must be"),
        (
            json!({"session": {"secret": "0123456789abcdef", "cookie_name": "a b"}}),
            "session.cookie_name",
        ),
        (
            json!({"token_signing_alg_values_expected": "x"}),
            "token_signing_alg_values_expected",
        ),
        (json!({"client_secret": null}), ""),
    ] {
        let text_is = told(extra);
        assert!(text_is.starts_with(text), "{text_is}");
    }
    refusal::<OpenidConnect>(json!({"client_id": "gw", "discovery": "http://op.test/d"}));
    plugin::<OpenidConnect>(
        json!({"client_id": "gw", "discovery": "http://op.test/d", "bearer_only": true, "use_jwks": true}),
    );
}
