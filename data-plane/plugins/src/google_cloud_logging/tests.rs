use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Outside, Pending};

use super::account::Account;
use super::{AuthConfig, Google, GoogleCloudLogging, Source, Writer};
use crate::jwt::{Algorithm, Token, VerifyKey};
use crate::logging::tests::entries;
use crate::tests::{plugin, refusal};

fn pem(kind: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        STANDARD.encode(der)
    )
}

/// An account, and the key that verifies what it signs.
fn account() -> (Value, VerifyKey) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private = pem("PRIVATE KEY", pair.as_der().unwrap().as_ref());
    let public = VerifyKey::public_der(Algorithm::RS256, pair.public_key().as_ref()).unwrap();
    let account = json!({"client_email": "a@b.c", "private_key": private, "project_id": "p",
        "token_uri": "http://t.test/token", "entries_uri": "http://l.test/write", "scopes": ["x", "y"]});
    (account, public)
}

/// Answers calls in turn, and remembers them.
struct Answers {
    calls: Mutex<Vec<HttpCall>>,
    answers: Mutex<Vec<(u16, &'static str)>>,
}

impl Outside for Answers {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        self.calls.lock().unwrap().push(call);
        let (status, body) = self.answers.lock().unwrap().remove(0);
        Box::pin(ready(Ok(HttpAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            trailers: HeaderMap::new(),
        })))
    }

    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

fn writer(account: Value) -> Writer {
    let config: AuthConfig = serde_json::from_value(account).unwrap();
    Writer {
        source: Source::Given(Arc::new(Account::parse(config).unwrap())),
        log_id: "l".into(),
        verify: true,
        session: Mutex::default(),
        asking: futures_util::lock::Mutex::default(),
    }
}

const TOKEN: (u16, &str) = (200, r#"{"access_token": "t0", "expires_in": 3600}"#);

#[test]
fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let (account, public) = account();
    let writer = writer(account);
    let outside = Answers {
        calls: Mutex::default(),
        answers: Mutex::new(vec![TOKEN, (200, "{}"), (401, "no"), TOKEN, (200, "{}")]),
    };
    let write = || {
        let done = writer.write(&outside, vec![json!({"n": 1})]);
        done.now_or_never().unwrap()
    };
    assert_eq!(write(), Ok(()));
    assert!(write().unwrap_err().contains("401 Unauthorized: no"));
    assert_eq!(write(), Ok(()));
    let calls = outside.calls.lock().unwrap();
    let places: Vec<_> = calls.iter().map(|call| call.uri.path()).collect();
    assert_eq!(places, ["/token", "/write", "/write", "/token", "/write"]);
    let form = std::str::from_utf8(&calls[0].body).unwrap();
    let assertion = form.split_once("assertion=").unwrap().1;
    let token = Token::parse(assertion).unwrap();
    assert!(token.is_signed_by(&public));
    assert_eq!(token.claims["iss"], "a@b.c");
    assert_eq!(token.claims["aud"], "http://t.test/token");
    assert_eq!(token.claims["scope"], "x y");
    assert_eq!(calls[1].headers["authorization"], "Bearer t0");
    let body: Value = serde_json::from_slice(&calls[1].body).unwrap();
    assert_eq!(
        body["entries"],
        json!([{"n": 1, "logName": "projects/p/logs/l"}])
    );
}

#[test]
fn a_file_is_read_when_a_token_is_needed() {
    let (account, _) = account();
    let path = std::env::temp_dir().join(format!("weir-google-{}.json", std::process::id()));
    let writer = Writer {
        source: Source::File(path.display().to_string()),
        ..writer(account.clone())
    };
    let outside = Answers {
        calls: Mutex::default(),
        answers: Mutex::new(vec![TOKEN, (200, "{}")]),
    };
    let write = || writer.write(&outside, Vec::new()).now_or_never().unwrap();
    assert!(write().unwrap_err().starts_with("auth_file: "));
    std::fs::write(&path, account.to_string()).unwrap();
    assert_eq!(write(), Ok(()));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn entries_take_googles_form() {
    let (account, _) = account();
    let google = Google {
        extra: vec!["n".into()],
        resource: Map::from_iter([("type".to_owned(), Value::from("global"))]),
        writer: Arc::new(writer(account)),
    };
    let mut entry = entries(1).remove(0);
    let made = google.log_entry(&entry);
    assert_eq!(made["jsonPayload"], json!({"n": 0}));
    assert_eq!(made["timestamp"], "2023-11-14T22:13:20.000Z");
    assert!(made.get("httpRequest").is_none());
    entry.is_chosen = false;
    entry.fields = json!({"route_id": "r", "n": 1, "latency": 30.2, "client_ip": "::1",
        "request": {"method": "GET", "headers": {"user-agent": "u"}}, "response": {"status": 200}});
    let made = google.log_entry(&entry);
    assert_eq!(made["jsonPayload"], json!({"route_id": "r", "n": 1}));
    assert_eq!(made["httpRequest"]["latency"], "0.030s");
    assert_eq!(made["httpRequest"]["userAgent"], "u");
    assert_eq!(made["httpRequest"]["status"], 200);
}

#[test]
fn wrong_accounts_are_refused_without_showing_the_key() {
    let (account, _) = account();
    plugin::<GoogleCloudLogging>(json!({"auth_config": account}));
    plugin::<GoogleCloudLogging>(json!({"auth_file": "/nowhere"}));
    refusal::<GoogleCloudLogging>(json!({}));
    let mut wrong = account.clone();
    wrong["private_key"] = json!("secret");
    let text = refusal::<GoogleCloudLogging>(json!({"auth_config": wrong}));
    assert_eq!(
        text,
        "auth_config.private_key: expected an RSA private key in PEM"
    );
    let mut wrong = account;
    wrong["entries_uri"] = json!("nowhere");
    let text = refusal::<GoogleCloudLogging>(json!({"auth_config": wrong}));
    assert_eq!(
        text,
        "auth_config.entries_uri: expected a URL, got \"nowhere\""
    );
}
