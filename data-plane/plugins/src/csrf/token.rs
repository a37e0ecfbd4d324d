//! Tokens: base64 of `{"random", "expires", "sign"}`, where `expires` is when it was made, in seconds
//! since the epoch, as APISIX writes it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Number;

#[derive(Serialize, Deserialize)]
struct Token {
    random: Number,
    expires: Number,
    sign: String,
}

/// A new token.
pub(super) fn make(key: &str, random: u64, now: i64) -> String {
    // Small enough to be the same number to everybody who reads JSON.
    let random = Number::from(random >> 12);
    let expires = Number::from(now);
    let token = Token {
        sign: sign(&random, &expires, key),
        random,
        expires,
    };
    // A struct of numbers and text always becomes JSON.
    STANDARD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

/// Whether the key made it, at most `life` seconds ago (for ever when 0 or less).
pub(super) fn is_good(text: &str, key: &str, life: i64, now: i64) -> bool {
    let decoded = STANDARD.decode(text).ok();
    let token = decoded.and_then(|bytes| serde_json::from_slice::<Token>(&bytes).ok());
    let Some(token) = token else {
        return false;
    };
    let expected = sign(&token.random, &token.expires, key);
    let is_ours = verify_slices_are_equal(expected.as_bytes(), token.sign.as_bytes()).is_ok();
    let made = token.expires.as_i64();
    is_ours && (life <= 0 || made.is_some_and(|made| now.saturating_sub(made) <= life))
}

fn sign(random: &Number, expires: &Number, key: &str) -> String {
    let text = format!("{{expires:{expires},random:{random},key:{key}}}");
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_key_and_time() {
        let token = make("k", u64::MAX, 1000);
        assert!(is_good(&token, "k", 60, 1060));
        assert!(!is_good(&token, "k", 60, 1061));
        assert!(is_good(&token, "k", 0, i64::MAX));
        assert!(!is_good(&token, "other", 60, 1000));
        let other = make("k", 0, 1000);
        assert_ne!(token, other);
    }

    #[test]
    fn what_is_no_token_is_not_good() {
        let forge = |json: &str| STANDARD.encode(json);
        for text in [
            String::new(),
            "!".into(),
            forge("{}"),
            forge(r#"{"random":1,"expires":1,"sign":""}"#),
            forge(r#"{"random":"1","expires":1,"sign":"x"}"#),
        ] {
            assert!(!is_good(&text, "k", 0, 1), "{text}");
        }
    }
}
