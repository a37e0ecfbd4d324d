//! A service account, and the tokens that it signs for.

use http::Uri;

use super::config::AuthConfig;
use crate::service_account::{Grant, ServiceKey};

/// A service account whose key is parsed.
pub(super) struct Account {
    pub(super) project_id: String,
    pub(super) token_uri: Uri,
    pub(super) entries_uri: Uri,
    client_email: String,
    scope: String,
    key: ServiceKey,
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
        let grant = Grant {
            client_email: &self.client_email,
            token_uri: &self.token_uri.to_string(),
            scope: &self.scope,
        };
        let assertion = self.key.assertion(&grant, now);
        assertion.ok_or_else(|| "the key of the service account cannot sign".to_owned())
    }
}

/// A key in PKCS #8 or PKCS #1; line feeds may be written as `\n`.
fn key(pem: &str) -> Option<ServiceKey> {
    let pem = pem.replace("\\n", "\n");
    ServiceKey::from_pkcs8(&pem).or_else(|| ServiceKey::from_pkcs1(&pem))
}
