use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, PluginDef, Response};

use super::JweDecrypt;
use crate::tests::{answer, plugin, refusal, sent};

const SECRET: &str = "-secret-length-must-be-32-chars-";

/// A token as RFC 7516 has it, or as APISIX's tools make it: without the header authenticated.
fn token(header: &Value, text: &str, authenticates: bool) -> String {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, SECRET.as_bytes()).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(b"123456789012").unwrap();
    let additional = if authenticates {
        header.as_bytes()
    } else {
        b""
    };
    let mut sealed = text.as_bytes().to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(additional), &mut sealed)
        .unwrap();
    let (content, tag) = sealed.split_at(text.len());
    let [iv, content, tag] =
        [&b"123456789012"[..], content, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{iv}.{content}.{tag}")
}

fn good() -> String {
    token(
        &json!({"alg": "dir", "kid": "jack-key", "enc": "A256GCM"}),
        "hello",
        true,
    )
}

fn run(config: Value, request: RequestBuilder) -> (Option<Response>, Context) {
    let host = FakeHost::shared();
    let part = json!({"key": "jack-key", "secret": SECRET});
    host.add_key(
        "jwe-decrypt",
        "jack-key",
        Consumer {
            name: "jack".into(),
            prepared: JweDecrypt::prepare_consumer(&part),
            auth_config: Arc::new(part),
            ..Consumer::default()
        },
    );
    let mut context = request.context(host);
    let mut whole = json!({"header": "Authorization", "forward_header": "Authorization"});
    let fields = whole.as_object_mut().unwrap();
    fields.extend(config.as_object().unwrap().clone());
    let response = answer(plugin::<JweDecrypt>(whole).rewrite(&mut context));
    (response, context)
}

fn refused(token: &str) -> (u16, Body) {
    let (response, context) = run(json!({}), request("/").header("authorization", token));
    assert!(context.consumer.is_none());
    let response = response.unwrap();
    (response.status.as_u16(), response.body)
}

#[test]
fn the_node_gets_the_clear_text() {
    for text in [
        good(),
        format!("Bearer {}", good()),
        token(&json!({"kid": "jack-key"}), "hello", false),
    ] {
        let (response, context) = run(json!({}), request("/").header("authorization", &text));
        assert!(response.is_none());
        assert_eq!(sent(&context, "authorization"), ["hello"]);
        assert_eq!(sent(&context, "x-consumer-username"), ["jack"]);
    }
    let config = json!({"header": "X-Token", "forward_header": "X-Text"});
    let asked = request("/")
        .header("x-token", &good())
        .header("x-text", "forged")
        .header("x-text", "twice");
    let (_, context) = run(config, asked);
    assert_eq!(sent(&context, "x-text"), ["hello"]);
}

#[test]
fn each_fault_has_its_message() {
    let message = |status: u16, text: &str| (status, Body::Json(json!({"message": text})));
    let invalid = message(400, "JWE token invalid");
    for text in [
        "",
        "a.b.c",
        "a.b.c.d.e",
        &good().replace("..", ".x."),
        &format!("{}.x", good()),
    ] {
        assert_eq!(refused(text), invalid, "{text}");
    }
    assert_eq!(
        refused(&token(&json!({"alg": "dir"}), "x", true)),
        message(400, "missing kid in JWE token")
    );
    assert_eq!(
        refused(&token(&json!({"kid": "jill"}), "x", true)),
        message(400, "invalid kid in JWE token")
    );
    let failed = message(400, "failed to decrypt JWE token");
    let mut changed = good();
    changed.replace_range(changed.len() - 2.., "AA");
    assert_eq!(refused(&changed), failed);
    assert_eq!(
        refused(&token(
            &json!({"kid": "jack-key", "alg": "A256KW"}),
            "x",
            true
        )),
        failed
    );
    assert_eq!(
        refused(&token(&json!({"kid": "jack-key"}), "a\r\nb", true)),
        failed
    );
    let short = format!(
        "{}..AAAA.AAAA.AAAA",
        URL_SAFE_NO_PAD.encode(r#"{"kid":"jack-key"}"#)
    );
    assert_eq!(refused(&short), failed);
}

#[test]
fn without_a_token_a_clear_text_is_nobodys() {
    let (response, _) = run(json!({}), request("/"));
    let response = response.unwrap();
    assert_eq!(response.status.as_u16(), 403);
    assert_eq!(
        response.body,
        Body::Json(json!({"message": "missing JWE token in request"}))
    );
    let config = json!({"header": "X-Token", "forward_header": "X-Text", "strict": false});
    let (response, context) = run(config, request("/").header("x-text", "forged"));
    assert!(response.is_none());
    assert!(sent(&context, "x-text").is_empty());
}

#[test]
fn secrets_have_32_bytes() {
    let check = |part: Value| JweDecrypt::check_consumer(&part);
    assert_eq!(check(json!({"key": "a", "secret": SECRET})), Ok(()));
    assert_eq!(
        check(json!({"key": "a", "secret": "$env://SECRET"})),
        Ok(())
    );
    assert_eq!(
        check(json!({"key": "a", "secret": "short"})),
        Err("the secret length should be 32 chars".into())
    );
    let encoded = URL_SAFE_NO_PAD.encode(SECRET);
    assert_eq!(
        check(json!({"key": "a", "secret": encoded, "is_base64_encoded": true})),
        Ok(())
    );
    assert_eq!(
        check(json!({"key": "a", "secret": SECRET, "is_base64_encoded": true})),
        Err("the secret length after base64 decode should be 32 chars".into())
    );
    assert_eq!(
        refusal::<JweDecrypt>(json!({"header": "a b", "forward_header": "a"})),
        "header must be a header name, got \"a b\""
    );
}
