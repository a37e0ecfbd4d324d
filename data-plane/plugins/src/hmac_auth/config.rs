//! Configuration of `hmac-auth`.

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// HMAC with SHA-1.
    #[serde(rename = "hmac-sha1")]
    Sha1,
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    Sha256,
    /// HMAC with SHA-512.
    #[serde(rename = "hmac-sha512")]
    Sha512,
}

impl Algorithm {
    /// The algorithm of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hmac-sha1" => Some(Self::Sha1),
            "hmac-sha256" => Some(Self::Sha256),
            "hmac-sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// What an operator writes on a route, service or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Algorithms that are accepted.
    pub allowed_algorithms: Vec<Algorithm>,
    /// Seconds by which `Date` may differ from now; 0: not looked at.
    pub clock_skew: u64,
    /// Headers that must be signed.
    pub signed_headers: Vec<String>,
    /// Whether `Digest` must be that of the body.
    pub validate_request_body: bool,
    /// Bytes of a body that are read for it.
    pub max_req_body_size: usize,
    /// Whether `Authorization` is taken out of the request before the node sees it.
    pub hide_credentials: bool,
    /// Consumer of requests without a valid signature; without it they are refused.
    pub anonymous_consumer: Option<String>,
    /// Realm in `WWW-Authenticate`; 1 to 128 visible ASCII characters without `"` and `\`.
    pub realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allowed_algorithms: vec![Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512],
            clock_skew: 300,
            signed_headers: vec!["date".into()],
            validate_request_body: false,
            max_req_body_size: 64 << 20,
            hide_credentials: false,
            anonymous_consumer: None,
            realm: "hmac".into(),
        }
    }
}
