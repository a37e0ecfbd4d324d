use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, Step};

use super::HmacAuth;
use crate::tests::{answer, plugin, sent};

/// When the fake host stands.
const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

fn host() -> Arc<FakeHost> {
    let host = FakeHost::shared();
    host.add_key(
        "hmac-auth",
        "jack-key",
        Consumer {
            name: "jack".into(),
            auth_config: Arc::new(json!({"key_id": "jack-key", "secret_key": "secret"})),
            ..Consumer::default()
        },
    );
    host.add_consumer(Consumer {
        name: "guest".into(),
        ..Consumer::default()
    });
    host
}

fn field(algorithm: &str, headers: &str, text: &str, secret: &str) -> String {
    let hash = match algorithm {
        "hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "hmac-sha512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let key = hmac::Key::new(hash, secret.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    format!(
        "Signature keyId=\"jack-key\",algorithm=\"{algorithm}\",headers=\"{headers}\",signature=\"{signature}\""
    )
}

fn signed(builder: RequestBuilder, headers: &str, text: &str) -> RequestBuilder {
    builder.header(
        "authorization",
        &field("hmac-sha256", headers, text, "secret"),
    )
}

/// What a request is refused with.
fn refused(config: &Value, builder: RequestBuilder) -> Option<String> {
    let mut context: Context = builder.context(host());
    match answer(plugin::<HmacAuth>(config.clone()).rewrite(&mut context))?.body {
        Body::Json(body) => Some(body["message"].as_str().unwrap().to_owned()),
        other => panic!("{other:?}"),
    }
}

const INVALID: &str = "client request can't be validated";

#[test]
fn a_signed_request_names_its_consumer() {
    for algorithm in ["hmac-sha1", "hmac-sha256", "hmac-sha512"] {
        let headers = "@request-target date x-missing";
        let text = format!("jack-key\nPOST /a%20b?x=1\ndate: {DATE}\n");
        let mut context = request("/a%20b?x=1")
            .method(Method::POST)
            .header("date", DATE)
            .header("authorization", &field(algorithm, headers, &text, "secret"))
            .context(host());
        let config =
            json!({"hide_credentials": true, "signed_headers": ["@request-target", "Date"]});
        assert_eq!(
            answer(plugin::<HmacAuth>(config).rewrite(&mut context)),
            None
        );
        assert_eq!(sent(&context, "x-consumer-username"), ["jack"]);
        assert!(sent(&context, "authorization").is_empty());
    }
}

#[test]
fn what_was_changed_on_its_way_is_refused() {
    let text = format!("jack-key\nGET /a\ndate: {DATE}\n");
    let headers = "@request-target date";
    let config = json!({});
    let at = |target: &str| signed(request(target).header("date", DATE), headers, &text);
    assert_eq!(refused(&config, at("/a")), None);
    let invalid = Some(INVALID.to_owned());
    assert_eq!(refused(&config, at("/b")), invalid);
    assert_eq!(refused(&config, at("/a?x=1")), invalid);
    assert_eq!(refused(&config, at("/a").method(Method::PUT)), invalid);
    let other = field("hmac-sha256", headers, &text, "other");
    let other = request("/a")
        .header("date", DATE)
        .header("authorization", &other);
    assert_eq!(refused(&config, other), invalid);
    let strict = json!({"allowed_algorithms": ["hmac-sha512"]});
    assert_eq!(refused(&strict, at("/a")), invalid);
    let strict = json!({"signed_headers": ["date", "host"]});
    assert_eq!(refused(&strict, at("/a")), invalid);
}

#[test]
fn the_date_must_be_near() {
    let config = json!({"clock_skew": 60});
    let dated = |date: &str| {
        let text = format!("jack-key\ndate: {date}\n");
        refused(
            &config,
            signed(request("/").header("date", date), "date", &text),
        )
    };
    assert_eq!(dated("Tue, 14 Nov 2023 22:12:20 GMT"), None);
    assert_eq!(dated("Tue, 14 Nov 2023 22:14:20 GMT"), None);
    let invalid = Some(INVALID.to_owned());
    assert_eq!(dated("Tue, 14 Nov 2023 22:12:19 GMT"), invalid);
    assert_eq!(dated("Tue, 14 Nov 2023 22:14:21 GMT"), invalid);
    assert_eq!(dated("now"), invalid);
    let undated = signed(request("/"), "date", "jack-key\n");
    assert_eq!(refused(&config, undated), invalid);
}

#[test]
fn a_body_is_compared_with_its_digest() {
    let config = json!({"validate_request_body": true, "max_req_body_size": 5});
    let digest = "SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    let text = format!("jack-key\ndate: {DATE}\ndigest: {digest}\n");
    let base = || {
        let builder = request("/").header("date", DATE).header("digest", digest);
        signed(builder, "date digest", &text)
    };
    let mut context = base().context(host());
    let plugin = plugin::<HmacAuth>(config.clone());
    assert!(matches!(plugin.rewrite(&mut context), Step::ReadBody));
    context.request.body.set(Bytes::from_static(b"hello"));
    assert_eq!(answer(plugin.rewrite(&mut context)), None);
    assert_eq!(
        refused(&config, base().body("text/plain", "other")),
        Some(INVALID.into())
    );
    let large = refused(&config, base().body("text/plain", "hello!"));
    assert_eq!(
        large.as_deref(),
        Some("request body is larger than 5 bytes")
    );
    let text = format!("jack-key\ndate: {DATE}\n");
    let bare = signed(request("/").header("date", DATE), "date", &text);
    assert_eq!(
        refused(&config, bare.body("text/plain", "hello")),
        Some(INVALID.into())
    );
}

#[test]
fn nothing_comes_in_behind_a_signature() {
    let config = json!({"signed_headers": ["x-user"]});
    let dated = || request("/").header("date", DATE);
    let one = format!("jack-key\ndate: {DATE}\nx-user: 1\n");
    let ask = |builder, text: &str| refused(&config, signed(builder, "date x-user", text));
    let invalid = Some(INVALID.to_owned());
    assert_eq!(ask(dated().header("x-user", "1"), &one), None);
    let two = || dated().header("x-user", "1").header("x-user", "2");
    assert_eq!(ask(two(), &one), invalid);
    let both = format!("jack-key\ndate: {DATE}\nx-user: 1, 2\n");
    assert_eq!(ask(two(), &both), None);
    let none = format!("jack-key\ndate: {DATE}\n");
    assert_eq!(ask(dated().header("x-user", "\u{e4}"), &none), invalid);
}

#[test]
fn what_is_not_signed_is_told_so() {
    let config = json!({});
    let missing = "client request can't be validated: missing Authorization header";
    assert_eq!(refused(&config, request("/")).as_deref(), Some(missing));
    let other =
        "client request can't be validated: Authorization header does not start with 'Signature'";
    let basic = request("/").header("authorization", "Basic x");
    assert_eq!(refused(&config, basic).as_deref(), Some(other));
    for field in [
        "Signature",
        "Signature keyId=\"jack-key\"",
        "Signature keyId=\"jack-key\",algorithm=\"md5\",signature=\"\"",
        "Signature keyId=\"nobody\",algorithm=\"hmac-sha256\",headers=\"date\",signature=\"eA==\"",
        "Signature keyId=\"jack-key\",algorithm=\"hmac-sha256\",headers=\"date\",signature=\"!\"",
    ] {
        let builder = request("/")
            .header("date", DATE)
            .header("authorization", field);
        assert_eq!(
            refused(&config, builder).as_deref(),
            Some(INVALID),
            "{field}"
        );
    }
    let guest = json!({"anonymous_consumer": "guest"});
    assert_eq!(refused(&guest, request("/")), None);
}
