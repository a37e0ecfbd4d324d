//! Work without any gateway around it, to compare plugins with.

use std::hint::black_box;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};

/// Secret of the token.
pub(crate) const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

/// A token of HS256 that is valid for long.
pub(crate) fn token() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "HS256", "typ": "JWT"}));
    let claims = part(json!({"key": "bench", "sub": "user-17", "exp": 4_102_444_800_u64}));
    let signed = format!("{head}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Checks a token and reads its claims, with the key at hand.
pub(crate) fn verify() -> Box<dyn FnMut()> {
    let token = token();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    Box::new(move || {
        let (signed, signature) = black_box(&token).rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        hmac::verify(&key, signed.as_bytes(), &signature).expect("the signature holds");
        let (head, claims) = signed.split_once('.').expect("three parts");
        for part in [head, claims] {
            let text = URL_SAFE_NO_PAD.decode(part).expect("base64");
            let value: Value = serde_json::from_slice(&text).expect("JSON");
            black_box(value);
        }
    })
}

/// A body of JSON of about so many bytes, as APIs answer.
pub(crate) fn body(size: usize) -> Bytes {
    let mut text = String::from("[");
    let mut number: u64 = 17;
    while text.len() < size {
        // Numbers that repeat no more than real ones do.
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let row = json!({
            "id": number >> 40,
            "name": format!("customer {}", number >> 50),
            "active": number.is_multiple_of(3),
            "balance": (number >> 33) as f64 / 100.0,
        });
        text.push_str(&row.to_string());
        text.push(',');
    }
    text.truncate(size.saturating_sub(1));
    text.push(']');
    Bytes::from(text)
}
