//! A service account, and the tokens that it signs for.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Uri;
use serde_json::json;

use super::config::AuthConfig;

/// Seconds for which a token is asked; Google gives no longer ones.
const LIFE: u64 = 3600;

/// A service account whose key is parsed.
pub(super) struct Account {
    pub(super) project_id: String,
    pub(super) token_uri: Uri,
    pub(super) entries_uri: Uri,
    client_email: String,
    scope: String,
    key: RsaKeyPair,
}

impl Account {
    /// Parses key and URLs.
    ///
    /// # Errors
    /// What is wrong with them; the key is not shown.
    pub(super) fn parse(config: AuthConfig) -> Result<Self, String> {
        let uri = |name: &str, text: &str| {
            let uri = text.parse::<Uri>().ok();
            uri.filter(|uri| uri.scheme().is_some() && uri.authority().is_some())
                .ok_or_else(|| format!("auth_config.{name}: expected a URL, got {text:?}"))
        };
        Ok(Self {
            token_uri: uri("token_uri", &config.token_uri)?,
            entries_uri: uri("entries_uri", &config.entries_uri)?,
            key: key(&config.private_key)
                .ok_or("auth_config.private_key: expected an RSA private key in PEM")?,
            project_id: config.project_id,
            client_email: config.client_email,
            scope: config.scopes.unwrap_or(config.scope).join(" "),
        })
    }

    /// What a token is asked for with (RFC 7523 section 2.1), at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// It cannot be signed.
    pub(super) fn assertion(&self, now: u64) -> Result<String, String> {
        let claims = json!({
            "iss": self.client_email,
            "aud": self.token_uri.to_string(),
            "scope": self.scope,
            "iat": now,
            "exp": now + LIFE,
        });
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let part = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| "the key of the service account cannot sign".to_owned())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A key in PKCS #8 or PKCS #1; line feeds may be written as `\n`.
fn key(pem: &str) -> Option<RsaKeyPair> {
    let pem = pem.replace("\\n", "\n");
    let der = |kind: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {kind}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
        let body: String = body.split_whitespace().collect();
        STANDARD.decode(body).ok()
    };
    if let Some(der) = der("PRIVATE KEY") {
        return RsaKeyPair::from_pkcs8(&der).ok();
    }
    RsaKeyPair::from_der(&der("RSA PRIVATE KEY")?).ok()
}
