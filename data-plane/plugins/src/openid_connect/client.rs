//! How the gateway authenticates at endpoints of the provider.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use serde_json::json;
use weir_plugin_api::Host;
use weir_plugin_api::outside::HttpCall;

use super::config::Config;
use super::provider::{Calls, encode};
use super::seal::random_text;
use crate::jwt::SigningKey;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The gateway as a client of the provider.
pub(super) struct Client {
    pub(super) id: String,
    method: Method,
    secret: Option<String>,
    audience: Option<String>,
    lifetime: u64,
}

enum Method {
    Basic(HeaderValue),
    Post,
    /// By a signed assertion (RFC 7523).
    Assertion(SigningKey),
}

impl Client {
    /// # Errors
    /// What cannot work; `field` is where `method` stands.
    pub(super) fn compile(config: &Config, field: &str, method: &str) -> Result<Self, String> {
        let id = config.client_id.clone();
        let secret = config.client_secret.clone();
        let wanted = config.client_jwt_assertion_alg.as_deref();
        let missing = |name: &str| format!("{name} is required for {field} {method}");
        let method = match (method, &secret) {
            // Without a secret the gateway is a public client.
            ("client_secret_basic" | "client_secret_post", None) => Method::Post,
            ("client_secret_post", Some(_)) => Method::Post,
            ("client_secret_basic", Some(secret)) => {
                let pair = STANDARD.encode(format!("{}:{}", encode(&id), encode(secret)));
                let value = HeaderValue::from_str(&format!("Basic {pair}"));
                let mut value = value.map_err(|error| error.to_string())?;
                value.set_sensitive(true);
                Method::Basic(value)
            }
            ("client_secret_jwt", secret) => {
                let secret = secret.as_ref().ok_or_else(|| missing("client_secret"))?;
                let algorithm = wanted.unwrap_or("HS256");
                Method::Assertion(SigningKey::secret(algorithm, secret.as_bytes(), None)?)
            }
            ("private_key_jwt", _) => {
                let pem = config.client_rsa_private_key.as_deref();
                let pem = pem.ok_or_else(|| missing("client_rsa_private_key"))?;
                let id = config.client_rsa_private_key_id.clone();
                let key = SigningKey::private_pem(wanted.unwrap_or("RS256"), pem, id);
                Method::Assertion(key.map_err(|error| format!("client_rsa_private_key: {error}"))?)
            }
            (other, _) => {
                return Err(format!(
                    "{field}: expected client_secret_basic, client_secret_post, client_secret_jwt or private_key_jwt, got {other:?}"
                ));
            }
        };
        Ok(Self {
            id,
            method,
            secret,
            audience: config.client_jwt_assertion_audience.clone(),
            lifetime: u64::try_from(config.client_jwt_assertion_expires_in).unwrap_or(60),
        })
    }

    /// A call with these fields that says who asks.
    ///
    /// # Errors
    /// There is no randomness.
    pub(super) fn post(
        &self,
        calls: &Calls,
        host: &dyn Host,
        uri: Uri,
        fields: &[(&str, &str)],
    ) -> Result<HttpCall, String> {
        let mut fields = fields.to_vec();
        let assertion;
        match &self.method {
            Method::Basic(value) => {
                let mut call = calls.post(uri, &fields);
                call.headers.insert(AUTHORIZATION, value.clone());
                return Ok(call);
            }
            Method::Post => {
                fields.push(("client_id", &self.id));
                fields.extend(
                    self.secret
                        .as_deref()
                        .map(|secret| ("client_secret", secret)),
                );
            }
            Method::Assertion(key) => {
                let place = uri.to_string();
                let now = host.unix_ms() / 1000;
                assertion = key.sign(&json!({
                    "iss": self.id,
                    "sub": self.id,
                    "aud": self.audience.as_ref().unwrap_or(&place),
                    "jti": random_text().ok_or("there is no randomness")?,
                    "iat": now,
                    "exp": now.saturating_add(self.lifetime),
                }))?;
                fields.push(("client_id", &self.id));
                fields.push(("client_assertion_type", JWT_BEARER));
                fields.push(("client_assertion", &assertion));
            }
        }
        Ok(calls.post(uri, &fields))
    }
}
