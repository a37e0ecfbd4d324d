//! JSON Web Encryption in its compact form (RFC 7516), with `dir` and `A256GCM` (RFC 7518 sections 4.5,
//! 5.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Bytes of a token that are looked at.
const MAX_TOKEN: usize = 64 * 1024;

/// A key of 256 bits.
pub(super) struct Key(LessSafeKey);

impl Key {
    /// `None` when it has another length.
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, secret).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }
}

/// A token, taken apart.
pub(super) struct Token<'t> {
    encoded_header: &'t str,
    /// An object.
    header: Value,
    iv: Vec<u8>,
    /// What is encrypted, with the tag behind it.
    sealed: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Takes a token apart; `None` when it is none.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        if text.len() > MAX_TOKEN {
            return None;
        }
        let parts: Vec<&str> = text.split('.').collect();
        // With `dir` there is no encrypted key.
        let [encoded_header, "", iv, content, tag] = parts[..] else {
            return None;
        };
        let header: Value = serde_json::from_slice(&decode(encoded_header)?).ok()?;
        if !header.is_object() || header.get("crit").is_some() {
            return None;
        }
        let mut sealed = decode(content)?;
        sealed.extend(decode(tag)?);
        Some(Self {
            encoded_header,
            header,
            iv: decode(iv)?,
            sealed,
        })
    }

    /// Which key it is for.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The clear text; `None` when the key is another one, or the token no longer what it was.
    pub(super) fn open(&self, key: &Key) -> Option<Vec<u8>> {
        let says = |name: &str, value: &str| self.header.get(name).is_none_or(|is| is == value);
        if !says("alg", "dir") || !says("enc", "A256GCM") || self.header.get("zip").is_some() {
            return None;
        }
        let open = |additional: &[u8]| {
            let nonce = Nonce::try_assume_unique_for_key(&self.iv).ok()?;
            let mut text = self.sealed.clone();
            let clear = key.0.open_in_place(nonce, Aad::from(additional), &mut text);
            let length = clear.ok()?.len();
            text.truncate(length);
            Some(text)
        };
        // RFC 7516 authenticates the header too; tokens of APISIX's own tools do not.
        open(self.encoded_header.as_bytes()).or_else(|| open(b""))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
