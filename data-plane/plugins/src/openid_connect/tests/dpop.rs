use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::bed::{Bed, Key, NOW, argument, claims, cookies, proof};
use crate::jwt::{KeySet, Token};
use crate::openid_connect::OpenidConnect;
use crate::tests::refusal;
use weir_plugin_api::testkit::request;

fn proving(key: &Key) -> Value {
    json!({"dpop": {"enabled": true, "private_key": key.pem(), "public_jwk": key.published()}})
}

/// Comes back with tokens that are bound to a key.
fn come_back_bound(bed: &Bed) -> u16 {
    let (location, login) = bed.leave("/a");
    let id = bed.key.sign(&claims(json!({})));
    bed.set(|says| {
        says.tokens =
            json!({"access_token": "at", "token_type": "DPoP", "id_token": id, "expires_in": 100});
    });
    let state = argument(&location, "state");
    let back = request(&format!("/callback?code=c0de&state={state}"));
    let (response, _) = bed.send(back.header("cookie", &login.join("; ")));
    let response = response.unwrap();
    assert_eq!(cookies(&response).is_empty(), response.status != 302);
    response.status.as_u16()
}

#[test]
fn tokens_are_asked_for_and_shown_with_a_proof() {
    let key = Key::new("own");
    let bed = Bed::new(proving(&key));
    assert_eq!(come_back_bound(&bed), 302);
    let asked = bed.service.asked();
    let of = |path: &str| asked.iter().find(|call| call.uri.path() == path).unwrap();
    let at_token = of("/token");
    let text = at_token.headers["dpop"].to_str().unwrap();
    let token = Token::parse(text).unwrap();
    let known = KeySet::read(&json!({"keys": [key.published()]})).unwrap();
    assert!(known.has_signed(&token));
    let header = URL_SAFE_NO_PAD
        .decode(text.split('.').next().unwrap())
        .unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        header,
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.published()})
    );
    let claims = proof(at_token);
    assert_eq!(
        (&claims["htm"], &claims["htu"], &claims["iat"]),
        (&json!("POST"), &json!("http://op.test/token"), &json!(NOW))
    );
    assert!(claims["jti"].as_str().unwrap().len() >= 16 && claims["ath"].is_null());
    let at_user = of("/me");
    assert_eq!(at_user.headers["authorization"], "DPoP at");
    let shown = proof(at_user);
    let hash = digest::digest(&digest::SHA256, b"at");
    assert_eq!(shown["ath"], URL_SAFE_NO_PAD.encode(hash));
    assert_ne!(shown["jti"], claims["jti"]);
    assert!(of("/discovery").headers.get("dpop").is_none());
}

#[test]
fn a_nonce_that_the_provider_wants_is_given_and_kept() {
    let bed = Bed::new(proving(&Key::new("own")));
    bed.set(|says| says.nonce = Some("n1"));
    assert_eq!(come_back_bound(&bed), 302);
    let nonces = |path: &str| -> Vec<Value> {
        let calls = bed.calls(path);
        calls
            .iter()
            .map(|call| proof(call)["nonce"].clone())
            .collect()
    };
    // The token endpoint and userinfo are of one server.
    assert_eq!(nonces("/token"), [Value::Null, "n1".into()]);
    assert_eq!(come_back_bound(&bed), 302);
    assert_eq!(nonces("/token"), ["n1"]);
    bed.set(|says| says.nonce = Some("n2"));
    assert_eq!(come_back_bound(&bed), 302);
    assert_eq!(nonces("/token"), ["n1", "n2"]);
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let (one, other) = (Key::new("one"), Key::new("other"));
    let told = |dpop: Value| {
        refusal::<OpenidConnect>(
            json!({"client_id": "gw", "client_secret": "s", "discovery": "http://op.test/d", "dpop": dpop}),
        )
    };
    let text =
        told(json!({"enabled": true, "private_key": one.pem(), "public_jwk": other.published()}));
    assert!(
        text.starts_with("dpop.public_jwk: expected the public part"),
        "{text}"
    );
    let text = told(
        json!({"enabled": true, "private_key": one.pem(), "public_jwk": one.published(), "signing_alg": "RS256"}),
    );
    assert!(text.starts_with("dpop.private_key: "), "{text}");
}
