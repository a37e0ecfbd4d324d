//! Keys of Google's service accounts: for `google-cloud-logging`, and for the agent that asks Secret
//! Manager.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::jwt::der;

/// Seconds for which a token is asked; Google gives no longer ones.
const LIFE: u64 = 3600;

/// A key that is parsed.
pub struct ServiceKey(RsaKeyPair);

/// What a token is asked for.
pub struct Grant<'a> {
    /// E-mail of the account.
    pub client_email: &'a str,
    /// Where the token comes from.
    pub token_uri: &'a str,
    /// Scopes, with blanks between them.
    pub scope: &'a str,
}

impl ServiceKey {
    /// A key in PEM, in PKCS #8; `None` when it is none.
    #[must_use]
    pub fn from_pkcs8(pem: &str) -> Option<Self> {
        let der = der(pem, &["PRIVATE KEY"])?;
        RsaKeyPair::from_pkcs8(&der).ok().map(Self)
    }

    /// A key in PEM, in PKCS #1; `None` when it is none.
    #[must_use]
    pub fn from_pkcs1(pem: &str) -> Option<Self> {
        let der = der(pem, &["RSA PRIVATE KEY"])?;
        RsaKeyPair::from_der(&der).ok().map(Self)
    }

    /// What a token is asked for with (RFC 7523 section 2.1), at `now`, in seconds since the epoch;
    /// `None` when it cannot be signed.
    #[must_use]
    pub fn assertion(&self, grant: &Grant<'_>, now: u64) -> Option<String> {
        let claims = json!({
            "iss": grant.client_email,
            "aud": grant.token_uri,
            "scope": grant.scope,
            "iat": now,
            "exp": now + LIFE,
        });
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
