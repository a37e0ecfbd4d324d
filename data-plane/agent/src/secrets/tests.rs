use std::sync::atomic::{AtomicU16, Ordering};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Pending};

use super::*;

/// A Vault with one secret at `kv/jack`, whose value changes with `number`; 0 is an outage.
struct Vault {
    number: AtomicU16,
    is_second: bool,
}

impl Outside for Vault {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        let number = self.number.load(Ordering::SeqCst);
        let values = json!({"key": format!("k{number}"), "empty": ""});
        let data = if self.is_second {
            json!({"data": values, "metadata": {}})
        } else {
            values
        };
        let token = call
            .headers
            .get("x-vault-token")
            .map(|token| token.as_bytes());
        let status = match (number, token, call.uri.to_string().as_str()) {
            (0, _, _) => 503,
            (_, Some(b"hush"), "http://vault.test:8200/v1/kv/jack") => 200,
            (_, Some(b"hush"), _) => 404,
            _ => 403,
        };
        Box::pin(ready(Ok(HttpAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            body: Bytes::from(json!({ "data": data }).to_string()),
        })))
    }

    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

fn vault(number: u16, is_second: bool) -> (Arc<Vault>, Secrets) {
    let vault = Arc::new(Vault {
        number: AtomicU16::new(number),
        is_second,
    });
    let secrets = Secrets::new(Arc::clone(&vault) as Arc<dyn Outside>);
    (vault, secrets)
}

fn set(documents: &[(Kind, &str, Value)]) -> ResourceSet {
    let mut set = ResourceSet::default();
    let manager = json!({"uri": "http://vault.test:8200/", "prefix": "/kv/", "token": "hush"});
    let manager = (Kind::Secret, "vault/1", manager);
    for (kind, id, spec) in documents.iter().chain([&manager]) {
        let key = Key::new(*kind, *id);
        let resource = Resource {
            key: key.clone(),
            spec: Arc::new(spec.clone()),
            created: 1,
            modified: 1,
            create_time: 0,
            update_time: 0,
            expires_at_ms: None,
        };
        set.resources.insert(key, Arc::new(resource));
    }
    set
}

/// Reveals on a thread that may block.
async fn reveal(secrets: &Arc<Secrets>, set: ResourceSet) -> Open {
    let secrets = Arc::clone(secrets);
    tokio::task::spawn_blocking(move || secrets.reveal(&set))
        .await
        .unwrap()
}

fn spec(open: &Open, kind: Kind, id: &str) -> Option<Value> {
    open.set
        .get(&Key::new(kind, id))
        .map(|resource| (*resource.spec).clone())
}

fn route(key: &str) -> Value {
    json!({"uri": "/a", "desc": "$env://PATH", "plugins": {"csrf": {"key": key}}})
}

#[tokio::test]
async fn values_stand_in_the_place_of_references() {
    for is_second in [false, true] {
        let (_, secrets) = vault(1, is_second);
        let secrets = Arc::new(secrets);
        let open = reveal(
            &secrets,
            set(&[
                (Kind::Route, "v", route("$secret://vault/1/jack/key")),
                (Kind::Route, "e", route("$ENV://CARGO_PKG_NAME")),
                (Kind::Route, "n", route("plain")),
                (
                    Kind::Ssl,
                    "s",
                    json!({"cert": "$env://CARGO_PKG_NAME", "snis": ["$env://CARGO_PKG_NAME"]}),
                ),
            ]),
        )
        .await;
        assert!(open.unknown.is_empty(), "{:?}", open.unknown);
        assert_eq!(spec(&open, Kind::Route, "v"), Some(route("k1")));
        assert_eq!(spec(&open, Kind::Route, "e"), Some(route("weir-agent")));
        assert_eq!(spec(&open, Kind::Route, "n"), Some(route("plain")));
        let ssl = json!({"cert": "weir-agent", "snis": ["$env://CARGO_PKG_NAME"]});
        assert_eq!(spec(&open, Kind::Ssl, "s"), Some(ssl));
    }
}

#[tokio::test]
async fn what_is_not_known_opens_nothing() {
    let (_, secrets) = vault(1, false);
    let secrets = Arc::new(secrets);
    let jack = json!({"username": "jack", "plugins": {
        "key-auth": {"key": "$secret://vault/1/jack/other"}, "basic-auth": {"username": "j", "password": "p"}}});
    let jill = json!({"username": "jill", "plugins": {"key-auth": {"key": "$secret://vault/1/jack/empty"}}});
    let open = reveal(
        &secrets,
        set(&[
            (Kind::Route, "m", route("$secret://vault/2/jack/key")),
            (Kind::Route, "p", route("$secret://vault/1/jill/key")),
            (Kind::Route, "w", route("$secret://vault/1")),
            (Kind::Route, "v", route("$env://WEIR_TEST_IS_NOT_SET")),
            (Kind::Consumer, "jack", jack),
            (Kind::Consumer, "jill", jill),
        ]),
    )
    .await;
    for id in ["m", "p", "w", "v"] {
        assert_eq!(spec(&open, Kind::Route, id), None, "{id}");
    }
    let left =
        json!({"username": "jack", "plugins": {"basic-auth": {"username": "j", "password": "p"}}});
    assert_eq!(spec(&open, Kind::Consumer, "jack"), Some(left));
    assert_eq!(
        spec(&open, Kind::Consumer, "jill"),
        Some(json!({"username": "jill", "plugins": {}}))
    );
    assert_eq!(open.unknown.len(), 6);
    let problem = &open.unknown[&Key::new(Kind::Route, "m")];
    assert_eq!(
        problem.message,
        "the value of $secret://vault/2/jack/key is not known; the log of the agent says why"
    );
}

#[tokio::test]
async fn a_value_is_renewed_and_stays_through_an_outage() {
    let (vault, secrets) = vault(1, false);
    let secrets = Arc::new(secrets);
    let state = || set(&[(Kind::Route, "v", route("$secret://vault/1/jack/key"))]);
    let key = |open: &Open| spec(open, Kind::Route, "v").unwrap()["plugins"]["csrf"]["key"].clone();
    assert_eq!(key(&reveal(&secrets, state()).await), "k1");
    vault.number.store(2, Ordering::SeqCst);
    // It is not asked for again before it is due.
    assert_eq!(key(&reveal(&secrets, state()).await), "k1");
    let due = || {
        secrets
            .state()
            .known
            .values_mut()
            .for_each(|known| known.due = Instant::now())
    };
    due();
    let renewing = Arc::clone(&secrets);
    assert!(
        tokio::task::spawn_blocking(move || renewing.refresh())
            .await
            .unwrap()
    );
    assert_eq!(key(&reveal(&secrets, state()).await), "k2");
    vault.number.store(0, Ordering::SeqCst);
    due();
    let open = reveal(&secrets, state()).await;
    assert_eq!(key(&open), "k2");
    assert!(open.unknown.is_empty());
    // Another manager is asked at once, and what nobody refers to is forgotten.
    vault.number.store(3, Ordering::SeqCst);
    let mut other = state();
    let manager = Key::new(Kind::Secret, "vault/1");
    let mut changed = (**other.get(&manager).unwrap()).clone();
    changed.modified = 2;
    other.resources.insert(manager, Arc::new(changed));
    assert_eq!(key(&reveal(&secrets, other).await), "k3");
    reveal(&secrets, set(&[])).await;
    assert!(secrets.state().known.is_empty());
}

/// The managers of two clouds, each with one secret.
struct Clouds;

impl Outside for Clouds {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        let authorization = call
            .headers
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        let authorization = authorization.unwrap_or_default();
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        let answer = match call.uri.to_string().as_str() {
            "http://aws.test/" => {
                assert!(
                    authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"),
                    "{authorization}"
                );
                assert!(
                    authorization
                        .contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target,"),
                    "{authorization}"
                );
                assert_eq!(body, r#"{"SecretId":"jack"}"#);
                json!({"SecretString": r#"{"key":"from aws"}"#})
            }
            "http://gcp.test/token" => {
                let parts = body.rsplit('=').next().unwrap().split('.').count();
                assert_eq!((body.starts_with("grant_type=urn%3A"), parts), (true, 3));
                json!({"access_token": "t"})
            }
            "http://gcp.test/v1/projects/p/secrets/jack/versions/latest:access" => {
                assert_eq!(authorization, "Bearer t");
                json!({"payload": {"data": STANDARD.encode(r#"{"key":"from gcp"}"#)}})
            }
            other => panic!("{other}"),
        };
        Box::pin(ready(Ok(HttpAnswer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            body: Bytes::from(answer.to_string()),
        })))
    }

    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

#[tokio::test]
async fn clouds_are_asked_in_their_own_ways() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        STANDARD.encode(der.as_ref())
    );
    let aws = json!({"access_key_id": "AK", "secret_access_key": "$env://CARGO_PKG_NAME", "endpoint_url": "http://aws.test"});
    let gcp = json!({"auth_config": {"client_email": "a@b", "private_key": pem, "project_id": "p",
        "token_uri": "http://gcp.test/token", "entries_uri": "http://gcp.test/v1"}});
    let secrets = Arc::new(Secrets::new(Arc::new(Clouds)));
    let open = reveal(
        &secrets,
        set(&[
            (Kind::Secret, "aws/1", aws),
            (Kind::Secret, "gcp/1", gcp),
            (Kind::Route, "a", route("$secret://aws/1/jack/key")),
            (Kind::Route, "g", route("$secret://gcp/1/jack/key")),
        ]),
    )
    .await;
    assert!(open.unknown.is_empty(), "{:?}", open.unknown);
    assert_eq!(spec(&open, Kind::Route, "a"), Some(route("from aws")));
    assert_eq!(spec(&open, Kind::Route, "g"), Some(route("from gcp")));
}
