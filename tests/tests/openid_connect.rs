//! `openid-connect` with a real provider, and a client that does what a browser does.
//!
//! Needs Node, so these tests run only when asked for: `make test-registries`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use weir_tests::load::{Load, Target};
use weir_tests::registries::Oidc;
use weir_tests::{Answer, Bench, Client};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A browser: keeps cookies by host, and goes where it is sent.
struct Browser {
    client: Client,
    /// Where the gateway `gateway.test` really is.
    gateway: String,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    fn new(bench: &Bench) -> Self {
        Self {
            client: Client::default(),
            gateway: bench.agent.url(""),
            cookies: BTreeMap::new(),
        }
    }

    fn host(url: &str) -> String {
        url.split('/').nth(2).unwrap().to_owned()
    }

    async fn send(&mut self, method: Method, url: &str, body: &str) -> Answer {
        let host = Self::host(url);
        let jar = self.cookies.entry(host.clone()).or_default();
        let pairs: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookie = pairs.join("; ");
        let real = url.replace("http://gateway.test", &self.gateway);
        let headers = [("host", host.as_str()), ("cookie", cookie.as_str()), FORM];
        let answer = self
            .client
            .send(method, &real, &headers, body.to_owned())
            .await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Goes to a place and on from there, and logs in as `jack` where it is asked to.
    async fn visit(&mut self, url: &str) -> (String, Answer) {
        let (mut url, mut answer) = (url.to_owned(), self.send(Method::GET, url, "").await);
        for _ in 0..20 {
            let location = answer.header("location").to_owned();
            if answer.status.is_redirection() {
                if location.starts_with('/') {
                    url = format!("http://{}{location}", Self::host(&url));
                } else {
                    url = location;
                }
                answer = self.send(Method::GET, &url, "").await;
            } else if answer.status == 200 && url.contains("/interaction/") {
                let form = if answer.text().contains("value=\"login\"") {
                    "prompt=login&login=jack&password=any"
                } else {
                    "prompt=consent"
                };
                answer = self.send(Method::POST, &url, form).await;
            } else {
                return (url, answer);
            }
        }
        panic!("it goes on and on: {url}");
    }
}

/// What the node saw, as JSON in base64.
fn told(answer: &Answer, name: &str) -> Value {
    let seen = answer.json();
    let text = seen["headers"][name]
        .as_str()
        .unwrap_or_else(|| panic!("{seen}"));
    serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap()
}

fn config(oidc: &Oidc, extra: Value) -> Value {
    let mut config =
        json!({"client_id": "gw", "client_secret": "gw-secret", "discovery": oidc.discovery()});
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    json!({ "openid-connect": config })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Node: make test-registries"]
async fn a_user_logs_in_and_out() {
    let dir = tempfile::tempdir().unwrap();
    let (oidc, bench) = (Oidc::start(dir.path()).await, Bench::start().await);
    let plugins = config(
        &oidc,
        json!({
            "redirect_uri": "http://gateway.test/callback", "scope": "openid offline_access", "use_pkce": true, "use_nonce": true,
            "authorization_params": {"prompt": "consent"}, "session": {"secret": "0123456789abcdef"}, "timeout": 20,
            "set_refresh_token_header": true, "post_logout_redirect_uri": "http://gateway.test/bye", "revoke_tokens_on_logout": true,
            // An access token lives for an hour: it is renewed at once.
            "access_token_expires_leeway": 3600,
        }),
    );
    let route = json!({"uri": "/*", "upstream_id": "u", "plugins": plugins});
    bench.put("routes/all", route).await;
    let mut browser = Browser::new(&bench);
    let (url, answer) = browser.visit("http://gateway.test/app?x=1").await;
    assert_eq!(url, "http://gateway.test/app?x=1", "{}", answer.text());
    assert_eq!(answer.status, 200);
    assert_eq!(told(&answer, "x-id-token")["sub"], "jack");
    let seen = answer.json();
    assert!(seen["headers"]["x-refresh-token"].is_string(), "{seen}");
    assert!(seen["headers"]["cookie"].is_null(), "{seen}");
    // The session holds, and its tokens are renewed on the way.
    let first = browser.cookies["gateway.test"].clone();
    let again = browser.send(Method::GET, "http://gateway.test/b", "").await;
    assert_eq!(again.status, 200);
    assert_ne!(browser.cookies["gateway.test"], first);
    let out = browser
        .send(Method::GET, "http://gateway.test/logout", "")
        .await;
    assert_eq!(out.status, 302);
    assert!(
        out.header("location")
            .starts_with(&oidc.url("/session/end?client_id=gw&id_token_hint=ey"))
    );
    assert!(browser.cookies["gateway.test"].is_empty());
    let gone = browser.send(Method::GET, "http://gateway.test/b", "").await;
    assert!(gone.header("location").starts_with(&oidc.url("/auth?")));
    // Nobody gets in with a state of somebody else's.
    let forged = browser
        .send(
            Method::GET,
            "http://gateway.test/callback?code=x&state=y",
            "",
        )
        .await;
    assert_eq!(forged.status, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Node: make test-registries"]
async fn tokens_are_bound_to_the_key_that_proves_them() {
    let dir = tempfile::tempdir().unwrap();
    let (oidc, bench) = (Oidc::start(dir.path()).await, Bench::start().await);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (x, y) = key.public_key_raw()[1..].split_at(32);
    let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
    let public = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
    let plugins = config(
        &oidc,
        json!({
            "redirect_uri": "http://gateway.test/callback", "session": {"secret": "0123456789abcdef"}, "timeout": 20,
            "dpop": {"enabled": true, "private_key": key.serialize_pem(), "public_jwk": public},
        }),
    );
    let route = json!({"uri": "/*", "upstream_id": "u", "plugins": plugins});
    bench.put("routes/all", route).await;
    let mut browser = Browser::new(&bench);
    let (_, answer) = browser.visit("http://gateway.test/app").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    let token = seen["headers"]["x-access-token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    // The thumbprint of the key (RFC 7638), for which the provider saw a proof.
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
    assert_eq!(claims["cnf"]["jkt"], thumbprint, "{claims}");
}

/// What a client that the provider knows sends.
async fn bearer(oidc: &Oidc) -> String {
    let login = format!("Basic {}", STANDARD.encode("gw:gw-secret"));
    let headers = [("authorization", login.as_str()), FORM];
    let form = "grant_type=client_credentials&scope=read";
    let (client, url) = (Client::default(), oidc.url("/token"));
    let answer = client.send(Method::POST, &url, &headers, form).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    format!("Bearer {token}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Node: make test-registries"]
async fn bearer_tokens_are_verified_and_introspected() {
    let dir = tempfile::tempdir().unwrap();
    let (oidc, bench) = (Oidc::start(dir.path()).await, Bench::start().await);
    let published =
        json!({"bearer_only": true, "use_jwks": true, "required_scopes": ["read"], "timeout": 20});
    bench.route("jwks", config(&oidc, published)).await;
    let asked = json!({"bearer_only": true, "timeout": 20});
    bench.route("asked", config(&oidc, asked)).await;
    let bearer = bearer(&oidc).await;
    let answer = bench.get("/jwks", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(told(&answer, "x-userinfo")["client_id"], "gw");
    let wrong = format!("{bearer}x");
    // The provider introspects no JWTs.
    for (path, wrong) in [("/jwks", &*wrong), ("/asked", "Bearer nonsense")] {
        let answer = bench.get(path, &[("authorization", wrong)]).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.header("www-authenticate").contains("invalid_token"),
            "{path}"
        );
        assert_eq!(bench.get(path, &[]).await.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Node: make test-registries"]
async fn while_the_provider_is_away_what_is_known_of_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut oidc, bench) = (Oidc::start(dir.path()).await, Bench::start().await);
    for (name, extra) in [
        ("jwks", json!({"bearer_only": true, "use_jwks": true})),
        ("asked", json!({"bearer_only": true})),
        (
            "login",
            json!({"redirect_uri": "http://gateway.test/login/back", "session": {"secret": "0123456789abcdef"}}),
        ),
    ] {
        bench.route(name, config(&oidc, extra)).await;
    }
    let bearer = bearer(&oidc).await;
    let target = |path: &str| Target::new(&bench.agent.url(path)).header("authorization", &bearer);
    // The provider introspects no JWTs.
    let asked =
        || Target::new(&bench.agent.url("/asked")).header("authorization", "Bearer unknown");
    let expects = |expected: u16| {
        move |answer: &Answer| match answer.status == expected {
            true => Ok(()),
            false => Err(format!("expected {expected}")),
        }
    };
    let moment = Duration::from_millis(200);
    target("/jwks").settles(moment, expects(200)).await;
    let client = Client::default();
    let began = client.get(&bench.agent.url("/login?x=1")).await;
    assert_eq!(began.status, 302);
    let state = began.header("location").split("&state=").nth(1).unwrap();
    let state = state.split('&').next().unwrap().to_owned();
    let cookie = began
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();

    // Keys that are known verify tokens without a break.
    let pause = Duration::from_millis(10);
    let steady = Load::on(&target("/jwks"), 4, pause, expects(200));
    oidc.kill();
    // What must be asked says that it cannot, at once.
    let at_once = asked().within(Duration::from_secs(2));
    at_once.settles(Duration::from_secs(10), expects(503)).await;
    let back = bench
        .agent
        .url(&format!("/login/back?code=x&state={state}"));
    let failed = client
        .send(Method::GET, &back, &[("cookie", &cookie)], "")
        .await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let log = bench.agent.printed();
    assert!(
        log.contains("openid-connect: a request cannot be served"),
        "{log}"
    );
    assert!(log.contains(&oidc.address.to_string()), "{log}");
    // Who begins to log in is sent to the provider all the same: where it is, is known.
    let sent = client.get(&bench.agent.url("/login")).await;
    assert!(sent.header("location").starts_with(&oidc.url("/auth?")));

    oidc.restart().await;
    // It says again that it does not know the token.
    asked().settles(moment, expects(401)).await;
    target("/jwks")
        .settles(Duration::from_secs(2), expects(200))
        .await;
    steady.stop().await.assert_clean();
}
