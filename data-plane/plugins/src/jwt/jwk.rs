//! Sets of public keys as servers publish them (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Token;
use super::key::{Algorithm, VerifyKey};

/// Keys of a set that are read at most.
const MOST_KEYS: usize = 64;

/// Keys that are tried for one token at most.
const MOST_TRIED: usize = 8;

/// Public keys, each with an algorithm that it may be used with.
pub(crate) struct KeySet(Vec<(Option<String>, VerifyKey)>);

impl KeySet {
    /// Reads a set. Keys that are not for signatures, or not of a known kind, are left out.
    ///
    /// # Errors
    /// The document is no set.
    pub(crate) fn read(document: &Value) -> Result<Self, String> {
        let keys = document.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or("a set of keys has no list \"keys\"")?;
        let keys = keys.iter().take(MOST_KEYS).flat_map(read);
        Ok(Self(keys.collect()))
    }

    /// Whether one of the keys signed the token, by the algorithm that it names.
    pub(crate) fn has_signed(&self, token: &Token<'_>) -> bool {
        let fits = |(id, key): &&(Option<String>, VerifyKey)| {
            let is_named = match (&token.key_id, id) {
                (Some(wanted), Some(id)) => wanted == id,
                _ => true,
            };
            is_named && token.algorithm == Some(key.algorithm())
        };
        let mut fitting = self.0.iter().filter(fits).take(MOST_TRIED);
        fitting.any(|(_, key)| token.is_signed_by(key))
    }
}

/// A key once for each algorithm that it may be used with.
fn read(key: &Value) -> Vec<(Option<String>, VerifyKey)> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|is| is != "sig") {
        return Vec::new();
    }
    let id = text("kid").map(str::to_owned);
    let of_kind: &[Algorithm] = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        (Some("EC"), Some("P-256")) => &[Algorithm::ES256],
        (Some("EC"), Some("P-384")) => &[Algorithm::ES384],
        (Some("EC"), Some("P-521")) => &[Algorithm::ES512],
        (Some("OKP"), Some("Ed25519")) => &[Algorithm::EdDSA],
        _ => &[],
    };
    let Some(public) = material(key) else {
        return Vec::new();
    };
    let named = text("alg").map(Algorithm::named);
    let algorithms = of_kind.iter().copied();
    let algorithms = algorithms.filter(|algorithm| named.is_none_or(|is| is == Some(*algorithm)));
    let keys = algorithms.filter_map(|algorithm| VerifyKey::public_der(algorithm, &public));
    keys.map(|key| (id.clone(), key)).collect()
}

/// The key in the form that its kind is parsed from.
fn material(key: &Value) -> Option<Vec<u8>> {
    let part = |name: &str| {
        let text = key.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
    };
    match key.get("kty")?.as_str()? {
        "RSA" => {
            let inside = [integer(&part("n")?), integer(&part("e")?)].concat();
            Some(element(0x30, &inside))
        }
        "EC" => {
            let (x, y) = (part("x")?, part("y")?);
            let width = match key.get("crv")?.as_str()? {
                "P-256" => 32,
                "P-384" => 48,
                "P-521" => 66,
                _ => return None,
            };
            if x.len() > width || y.len() > width {
                return None;
            }
            // An uncompressed point (SEC 1 section 2.3.3).
            let mut point = vec![4];
            for coordinate in [x, y] {
                point.resize(point.len() + width - coordinate.len(), 0);
                point.extend(coordinate);
            }
            Some(point)
        }
        "OKP" => part("x"),
        _ => None,
    }
}

/// A positive INTEGER in DER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0);
    let bytes = start.and_then(|start| bytes.get(start..)).unwrap_or(&[0]);
    let mut content = Vec::with_capacity(bytes.len() + 1);
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(bytes);
    element(2, &content)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
            let bytes = bytes.get(start..).unwrap_or_default();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair};
    use serde_json::json;

    use super::*;
    use crate::jwt::tests::token;

    fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn tokens_are_verified_by_the_keys_that_a_server_publishes() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // SEQUENCE { INTEGER of 257 bytes, of which the first is 0, INTEGER 65537 }
        let (n, e) = (&rsa.public_key().as_ref()[9..265], &[1, 0, 1]);
        let ec = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
        let rsa_key =
            json!({"kty": "RSA", "kid": "r", "use": "sig", "n": encode(n), "e": encode(e)});
        let ec_key = json!({"kty": "EC", "crv": "P-256", "kid": "e", "alg": "ES256", "x": encode(x), "y": encode(y)});
        let set =
            KeySet::read(&json!({"keys": [{"kty": "oct", "k": "AAAA"}, {}, rsa_key, ec_key]}))
                .unwrap();
        let random = SystemRandom::new();
        let signed = |header: Value| {
            token(&header, &json!({}), |message| {
                if header["alg"] == "ES256" {
                    return ec.sign(&random, message).unwrap().as_ref().to_vec();
                }
                let mut out = vec![0; 256];
                rsa.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut out)
                    .unwrap();
                out
            })
        };
        let is_good = |header: Value| set.has_signed(&Token::parse(&signed(header)).unwrap());
        assert!(is_good(json!({"alg": "RS256", "kid": "r"})));
        assert!(is_good(json!({"alg": "RS256"})));
        assert!(is_good(json!({"alg": "ES256", "kid": "e"})));
        assert!(!is_good(json!({"alg": "RS256", "kid": "other"})));
        assert!(!is_good(json!({"alg": "RS512", "kid": "r"})));
        assert!(!is_good(json!({"alg": "none"})));
        assert!(!is_good(json!({"alg": "HS256"})));
    }

    #[test]
    fn a_document_without_keys_is_no_set() {
        assert!(KeySet::read(&json!({})).is_err());
        let odd = json!({"keys": [{"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "A".repeat(500), "y": "AA"}, 7]});
        assert!(KeySet::read(&odd).unwrap().0.is_empty());
    }
}
