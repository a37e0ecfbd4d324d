//! What cookies hold: packed, encrypted and signed, so that nobody but the gateway reads or makes it.

use std::io::{Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Random bytes from which the key of one cookie is derived.
const KEY_SALT: usize = 16;

/// Bytes that a cookie unpacks to at most.
const LARGEST: u64 = 256 * 1024;

/// Seals with keys that are derived from one secret.
pub(super) struct Seal(Prk);

impl Seal {
    pub(super) fn new(secret: &str) -> Self {
        let salt = Salt::new(HKDF_SHA256, b"weir openid-connect cookies");
        Self(salt.extract(secret.as_bytes()))
    }

    fn key(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let info = [salt];
        let key = self.0.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }

    /// The value as text; it opens only for the same `purpose`.
    pub(super) fn seal<T: Serialize>(&self, purpose: &str, value: &T) -> Option<String> {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&serde_json::to_vec(value).ok()?).ok()?;
        let mut sealed = packed.finish().ok()?;
        let mut random = [0; KEY_SALT + NONCE_LEN];
        rand::fill(&mut random).ok()?;
        let (salt, nonce) = random.split_at(KEY_SALT);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.key(salt)?;
        key.seal_in_place_append_tag(nonce, Aad::from(purpose), &mut sealed)
            .ok()?;
        let whole: Vec<u8> = random.into_iter().chain(sealed).collect();
        Some(URL_SAFE_NO_PAD.encode(whole))
    }

    /// What was sealed; `None` when it was not sealed by us for this purpose.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Option<T> {
        let whole = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (salt, rest) = whole.split_at_checked(KEY_SALT)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let key = self.key(salt)?;
        let packed = key
            .open_in_place(nonce, Aad::from(purpose), &mut sealed)
            .ok()?;
        let mut bytes = Vec::new();
        let mut unpacked = DeflateDecoder::new(&*packed).take(LARGEST);
        unpacked.read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Random text that nobody guesses.
pub(super) fn random_text() -> Option<String> {
    let mut random = [0; 32];
    rand::fill(&mut random).ok()?;
    Some(URL_SAFE_NO_PAD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_for_a_purpose_opens() {
        let seal = Seal::new("0123456789abcdef");
        let text = seal.seal("session", &"hello".to_owned()).unwrap();
        let open = |seal: &Seal, purpose: &str, text: &str| seal.open::<String>(purpose, text);
        assert_eq!(open(&seal, "session", &text).as_deref(), Some("hello"));
        assert_ne!(seal.seal("session", &"hello".to_owned()).unwrap(), text);
        assert_eq!(open(&seal, "login", &text), None);
        assert_eq!(open(&Seal::new("fedcba9876543210"), "session", &text), None);
        for wrong in ["", "AAAA", &text[1..], &format!("{text}AAAA")] {
            assert_eq!(open(&seal, "session", wrong), None);
        }
        assert_ne!(random_text(), random_text());
    }
}
