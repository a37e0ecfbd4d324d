//! JSON Web Tokens in their compact form (RFC 7519, RFC 7515): taken apart once, verified with keys
//! that were parsed beforehand. Used by every plugin that reads tokens.

mod jwk;
mod key;
mod members;
mod sign;
#[cfg(test)]
pub(crate) mod tests;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

pub(crate) use jwk::KeySet;
pub(crate) use key::{Algorithm, VerifyKey, der};
pub(crate) use members::{Scalar, members};
pub(crate) use sign::SigningKey;

/// Bytes of a token that are looked at; RFC 7519 names no limit, header limits are near this.
const MAX_TOKEN: usize = 64 * 1024;

/// A token, not verified, with what was made of its claims: all of them, or a few.
pub(crate) struct Token<'t, C = Value> {
    /// `alg`, when it is one that is known.
    pub(crate) algorithm: Option<Algorithm>,
    /// `alg` when it is not, empty when it is no text.
    unknown: String,
    /// `kid`.
    pub(crate) key_id: Option<String>,
    /// The claims, of which all are an object.
    pub(crate) claims: C,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Takes a token apart; `None` when it is none.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        Self::reading(text, object)
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}

impl<'t, C> Token<'t, C> {
    /// Takes a token apart, with what `read` makes of its claims; `None` when it is none.
    pub(crate) fn reading(text: &'t str, read: impl FnOnce(&str) -> Option<C>) -> Option<Self> {
        if text.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        // One buffer for all three: what is kept of the first two is copied.
        let mut decoded = Vec::with_capacity(text.len());
        let part = decode(header, &mut decoded)?;
        let [algorithm, key_id, critical] = members(part, ["alg", "kid", "crit"])?;
        // Extensions that must be understood are not (RFC 7515 section 4.1.11).
        if critical.is_some() {
            return None;
        }
        let name = algorithm
            .as_ref()
            .and_then(Scalar::text)
            .unwrap_or_default();
        let algorithm = Algorithm::named(name);
        let unknown = match algorithm {
            Some(_) => String::new(),
            None => name.to_owned(),
        };
        let key_id = key_id.as_ref().and_then(Scalar::text).map(str::to_owned);
        let claims = read(decode(claims, &mut decoded)?)?;
        decoded.clear();
        URL_SAFE_NO_PAD.decode_vec(signature, &mut decoded).ok()?;
        Some(Self {
            algorithm,
            unknown,
            key_id,
            claims,
            signed,
            signature: decoded,
        })
    }

    /// `alg` as it is written, empty when it is no text.
    pub(crate) fn algorithm_name(&self) -> &str {
        match self.algorithm {
            Some(algorithm) => algorithm.name(),
            None => &self.unknown,
        }
    }

    /// Whether the key signed it, with the algorithm that belongs to the key: what the token says of
    /// its algorithm chooses nothing.
    pub(crate) fn is_signed_by(&self, key: &VerifyKey) -> bool {
        self.algorithm == Some(key.algorithm())
            && key.verifies(self.signed.as_bytes(), &self.signature)
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

/// Claims that have times.
pub(crate) trait Times {
    /// The claim as a number, if it is there; nothing inside when it is none.
    fn number(&self, claim: &str) -> Option<Option<f64>>;
}

impl Times for Value {
    fn number(&self, claim: &str) -> Option<Option<f64>> {
        self.get(claim).map(Self::as_f64)
    }
}

/// Whether the token is valid at `now` (seconds since the epoch), by `exp` and `nbf` (RFC 7519
/// sections 4.1.4, 4.1.5), with `leeway` seconds.
pub(crate) fn is_timely(
    claims: &impl Times,
    now: u64,
    leeway: u64,
    exp: Demand,
    nbf: Demand,
) -> bool {
    let now = now as f64;
    let leeway = leeway as f64;
    let holds = |name: &str, demand: Demand, is_good: &dyn Fn(f64) -> bool| match demand {
        Demand::Ignored => true,
        Demand::Optional | Demand::Required => match claims.number(name) {
            None => demand == Demand::Optional,
            Some(number) => number.is_some_and(is_good),
        },
    };
    holds("exp", exp, &|exp| now < exp + leeway) && holds("nbf", nbf, &|nbf| now + leeway >= nbf)
}

/// A part that is JSON, decoded in place of what is in the buffer.
fn decode<'b>(part: &str, decoded: &'b mut Vec<u8>) -> Option<&'b str> {
    decoded.clear();
    let part = part.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode_vec(part, decoded).ok()?;
    std::str::from_utf8(decoded).ok()
}

/// All of an object.
pub(crate) fn object(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value)
}
