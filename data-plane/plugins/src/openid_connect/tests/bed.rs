//! A gateway with a provider.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Context, Plugin, Response};

use super::super::{Compiled, OpenidConnect};
use crate::fake_service::{FakeService, nobody, says};
use crate::jwt::Token;
use crate::jwt::tests::token;
use crate::tests::{answer, at_once, plugin, sent};

pub(super) const NOW: u64 = 1_700_000_000;

/// A key of the provider.
pub(super) struct Key(EcdsaKeyPair, &'static str);

impl Key {
    pub(super) fn new(id: &'static str) -> Arc<Self> {
        Arc::new(Self(
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            id,
        ))
    }

    pub(super) fn published(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({"kty": "EC", "crv": "P-256", "kid": self.1, "x": x, "y": y})
    }

    /// As operators have it.
    pub(super) fn pem(&self) -> String {
        let der = STANDARD.encode(self.0.to_pkcs8v1().unwrap().as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        token(&json!({"alg": "ES256", "kid": self.1}), claims, |message| {
            self.0
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec()
        })
    }
}

/// Claims of a good token, changed so.
pub(super) fn claims(changed: Value) -> Value {
    let mut claims =
        json!({"iss": "http://op.test", "aud": "gw", "sub": "jack", "iat": NOW, "exp": NOW + 600});
    claims
        .as_object_mut()
        .unwrap()
        .extend(changed.as_object().unwrap().clone());
    claims
}

/// What the provider says; changed between requests.
#[derive(Clone)]
pub(super) struct Says {
    pub(super) keys: Vec<Arc<Key>>,
    /// Answer of the token endpoint.
    pub(super) tokens: Value,
    pub(super) user: Value,
    /// What proofs of possession must have in them.
    pub(super) nonce: Option<&'static str>,
    pub(super) introspection: Value,
}

pub(super) struct Bed {
    pub(super) plugin: Compiled,
    pub(super) service: Arc<FakeService>,
    pub(super) host: Arc<FakeHost>,
    pub(super) says: Arc<Mutex<Says>>,
    pub(super) key: Arc<Key>,
}

impl Bed {
    pub(super) fn new(extra: Value) -> Self {
        let key = Key::new("k1");
        let told = Arc::new(Mutex::new(Says {
            keys: vec![Arc::clone(&key)],
            tokens: json!({}),
            user: json!({"sub": "jack", "groups": ["dev"]}),
            nonce: None,
            introspection: json!({"active": false}),
        }));
        let shared = Arc::clone(&told);
        let (service, host) = FakeService::start(move |call| {
            let told = shared.lock().unwrap().clone();
            let body = match call.uri.path() {
                "/discovery" => {
                    json!({"issuer": "http://op.test", "authorization_endpoint": "http://op.test/auth?v=1",
                    "token_endpoint": "http://op.test/token", "jwks_uri": "http://op.test/jwks",
                    "userinfo_endpoint": "http://op.test/me", "introspection_endpoint": "http://op.test/introspect",
                    "end_session_endpoint": "http://op.test/end", "revocation_endpoint": "http://op.test/revoke",
                    "pushed_authorization_request_endpoint": "http://op.test/par"})
                }
                "/jwks" => {
                    json!({"keys": told.keys.iter().map(|key| key.published()).collect::<Vec<_>>()})
                }
                "/token" | "/me"
                    if told
                        .nonce
                        .is_some_and(|nonce| proof(call)["nonce"] != nonce) =>
                {
                    let (status, body) = match call.uri.path() {
                        "/token" => (400, r#"{"error":"use_dpop_nonce"}"#),
                        _ => (401, ""),
                    };
                    let nonce = told.nonce.unwrap_or_default();
                    let wants = [
                        ("dpop-nonce", nonce),
                        ("www-authenticate", r#"DPoP error="use_dpop_nonce""#),
                    ];
                    return Ok(says(status, &wants, body));
                }
                "/token" if told.tokens.is_null() => {
                    return Ok(says(400, &[], r#"{"error":"invalid_grant"}"#));
                }
                "/token" => told.tokens,
                "/me" => told.user,
                "/introspect" if told.introspection.is_null() => return Err(nobody()),
                "/introspect" => told.introspection,
                "/par" => json!({"request_uri": "urn:par:1"}),
                "/revoke" => json!({}),
                other => panic!("{other}"),
            };
            Ok(says(200, &[], &body.to_string()))
        });
        let mut config = json!({"client_id": "gw", "client_secret": "s&s", "discovery": "http://op.test/discovery",
            "redirect_uri": "http://gw.test/callback", "session": {"secret": "0123456789abcdef"}});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        Self {
            plugin: plugin::<OpenidConnect>(config),
            service,
            host,
            says: told,
            key,
        }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    pub(super) fn send(&self, request: RequestBuilder) -> (Option<Response>, Context) {
        let mut context = request.context(Arc::clone(&self.host));
        let response = answer(at_once(self.plugin.rewrite(&mut context)));
        (response, context)
    }

    pub(super) fn status(&self, request: RequestBuilder) -> u16 {
        self.send(request)
            .0
            .map_or(200, |response| response.status.as_u16())
    }

    /// Calls to this path since the last time.
    pub(super) fn calls(&self, path: &str) -> Vec<HttpCall> {
        let calls = self.service.asked().into_iter();
        calls.filter(|call| call.uri.path() == path).collect()
    }

    /// Sends a user to the provider: where to, and the cookies.
    pub(super) fn leave(&self, target: &str) -> (String, Vec<String>) {
        let (response, _) = self.send(request(target));
        let response = response.unwrap();
        assert_eq!(response.status, 302);
        (field(&response, "location").remove(0), cookies(&response))
    }

    /// Comes back with tokens of these claims.
    pub(super) fn come_back(&self, location: &str, cookies: &[String], changed: Value) -> Response {
        let id = self.key.sign(&claims(changed));
        let tokens =
            json!({"access_token": "at", "refresh_token": "rt", "id_token": id, "expires_in": 100});
        self.set(|says| says.tokens = tokens);
        let state = argument(location, "state");
        let back = request(&format!("/callback?code=c0de&state={state}"));
        self.send(back.header("cookie", &cookies.join("; ")))
            .0
            .unwrap()
    }

    /// Logs in: the cookies of the session.
    pub(super) fn enter(&self) -> String {
        let (location, login) = self.leave("/a?x=1");
        let nonce = argument(&location, "nonce");
        let response = self.come_back(&location, &login, json!({"nonce": nonce}));
        assert_eq!(
            (
                response.status.as_u16(),
                &field(&response, "location")[0][..]
            ),
            (302, "/a?x=1")
        );
        cookies(&response).join("; ")
    }
}

/// The claims of a call's proof of possession.
pub(super) fn proof(call: &HttpCall) -> Value {
    let proof = call.headers.get("dpop");
    let proof = proof.map(|proof| Token::parse(proof.to_str().unwrap()).unwrap());
    proof.map(|proof| proof.claims).unwrap_or_default()
}

pub(super) fn field(response: &Response, name: &str) -> Vec<String> {
    let fields = response.headers.iter().filter(|(is, _)| is == name);
    fields
        .map(|(_, value)| value.to_str().unwrap().to_owned())
        .collect()
}

/// Cookies that an answer sets, as a browser sends them.
pub(super) fn cookies(response: &Response) -> Vec<String> {
    let lines = field(response, "set-cookie").into_iter();
    let kept = lines.filter(|line| !line.contains("Max-Age=0"));
    kept.map(|line| line.split(';').next().unwrap().to_owned())
        .collect()
}

pub(super) fn argument(url: &str, name: &str) -> String {
    let query = url.split_once('?').unwrap().1;
    let pair = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    pair.unwrap_or_default().to_owned()
}

pub(super) fn decoded(context: &Context, name: &str) -> Value {
    let text = STANDARD.decode(sent(context, name).remove(0)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

pub(super) fn bearer(token: &str) -> RequestBuilder {
    request("/a").header("authorization", &format!("Bearer {token}"))
}
