//! JSON Web Tokens in their compact form (RFC 7519, RFC 7515): taken apart once, verified with keys
//! that were parsed beforehand. Used by every plugin that reads tokens.

mod jwk;
mod key;
mod sign;
#[cfg(test)]
pub(crate) mod tests;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

pub(crate) use jwk::KeySet;
pub(crate) use key::{Algorithm, VerifyKey, der};
pub(crate) use sign::SigningKey;

/// Bytes of a token that are looked at; RFC 7519 names no limit, header limits are near this.
const MAX_TOKEN: usize = 64 * 1024;

/// A token, not verified.
pub(crate) struct Token<'t> {
    /// `alg`, when it is one that is known.
    pub(crate) algorithm: Option<Algorithm>,
    /// `alg` as it is written, empty when it is not.
    pub(crate) algorithm_name: String,
    /// `kid`.
    pub(crate) key_id: Option<String>,
    /// The claims: an object.
    pub(crate) claims: Value,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Takes a token apart; `None` when it is none.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        if text.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = object(header)?;
        let claims = object(claims)?;
        // Extensions that must be understood are not (RFC 7515 section 4.1.11).
        if header.get("crit").is_some() {
            return None;
        }
        let algorithm = header.get("alg").and_then(Value::as_str);
        Some(Self {
            algorithm: algorithm.and_then(Algorithm::named),
            algorithm_name: algorithm.unwrap_or_default().to_owned(),
            key_id: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            claims,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Whether the key signed it, with the algorithm that belongs to the key: what the token says of
    /// its algorithm chooses nothing.
    pub(crate) fn is_signed_by(&self, key: &VerifyKey) -> bool {
        self.algorithm == Some(key.algorithm())
            && key.verifies(self.signed.as_bytes(), &self.signature)
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}

/// Which times of a token are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// When it is there.
    Optional,
    /// It must be there.
    Required,
    /// Not at all.
    Ignored,
}

/// Whether the token is valid at `now` (seconds since the epoch), by `exp` and `nbf` (RFC 7519
/// sections 4.1.4, 4.1.5), with `leeway` seconds.
pub(crate) fn is_timely(claims: &Value, now: u64, leeway: u64, exp: Demand, nbf: Demand) -> bool {
    let now = now as f64;
    let leeway = leeway as f64;
    let holds = |name: &str, demand: Demand, is_good: &dyn Fn(f64) -> bool| match demand {
        Demand::Ignored => true,
        Demand::Optional | Demand::Required => match claims.get(name) {
            None => demand == Demand::Optional,
            Some(value) => value.as_f64().is_some_and(is_good),
        },
    };
    holds("exp", exp, &|exp| now < exp + leeway) && holds("nbf", nbf, &|nbf| now + leeway >= nbf)
}

fn object(encoded: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    value.is_object().then_some(value)
}
