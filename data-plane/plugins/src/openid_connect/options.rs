//! Parts of the configuration that are objects of their own.

use serde::{Deserialize, Serialize};

/// What becomes of requests without a login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnauthAction {
    /// The user is sent to the provider.
    #[default]
    Auth,
    /// 401.
    Deny,
    /// They pass, as nobody.
    Pass,
}

/// Where a session is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In cookies.
    #[default]
    Cookie,
    /// In Redis.
    Redis,
}

/// Older settings of the cookie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cookie {
    /// As `rolling_timeout`.
    #[serde(default)]
    pub lifetime: Option<i64>,
}

/// The session.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Secret from which the keys of cookies are derived.
    pub secret: String,
    /// Where it is kept.
    #[serde(default)]
    pub storage: Storage,
    /// Older settings of the cookie.
    #[serde(default)]
    pub cookie: Option<Cookie>,
    /// Name of the cookie.
    #[serde(default)]
    pub cookie_name: Option<String>,
    /// `Path`.
    #[serde(default)]
    pub cookie_path: Option<String>,
    /// `Domain`.
    #[serde(default)]
    pub cookie_domain: Option<String>,
    /// `SameSite`.
    #[serde(default)]
    pub cookie_same_site: Option<String>,
    /// `Secure`.
    #[serde(default)]
    pub cookie_secure: Option<bool>,
    /// `HttpOnly`.
    #[serde(default)]
    pub cookie_http_only: Option<bool>,
    /// Seconds without a request after which it ends; 0 is never.
    #[serde(default)]
    pub idling_timeout: Option<i64>,
    /// Seconds after which it ends unless it was in use; 0 is never.
    #[serde(default)]
    pub rolling_timeout: Option<i64>,
    /// Seconds after which it ends; 0 is never.
    #[serde(default)]
    pub absolute_timeout: Option<i64>,
    /// The Redis of storage `redis`.
    #[serde(default)]
    pub redis: Option<Redis>,
}

/// A Redis that keeps sessions. `keepalive_timeout` tunes a pool of connections; one connection
/// carries all calls of an agent here, so it has no part.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Redis {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// ACL user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Number of the database.
    pub database: u32,
    /// What its keys start with.
    pub prefix: String,
    /// Whether TLS is spoken.
    pub ssl: bool,
    /// Whether the certificate must be trusted and fit the name.
    pub ssl_verify: bool,
    /// Name in the certificate: only that of `host`.
    pub server_name: Option<String>,
    /// Milliseconds to connect. The longest of the three counts, to connect and for each call.
    pub connect_timeout: u64,
    /// Milliseconds to be heard.
    pub send_timeout: u64,
    /// Milliseconds until an answer.
    pub read_timeout: u64,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 6379,
            username: None,
            password: None,
            database: 0,
            prefix: "sessions".into(),
            ssl: false,
            ssl_verify: true,
            server_name: None,
            connect_timeout: 1000,
            send_timeout: 1000,
            read_timeout: 1000,
        }
    }
}

/// Proxies to the provider.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyOpts {
    /// URL of the proxy for `http`.
    pub http_proxy: Option<String>,
    /// URL of the proxy for `https`.
    pub https_proxy: Option<String>,
    /// `Proxy-Authorization` for the first.
    pub http_proxy_authorization: Option<String>,
    /// `Proxy-Authorization` for the second.
    pub https_proxy_authorization: Option<String>,
    /// Hosts that are called straight, with commas; `*` is all.
    pub no_proxy: Option<String>,
}

/// Pushed authorization requests (RFC 9126).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Par {
    /// Whether they are used.
    #[serde(default)]
    pub enabled: bool,
    /// Where they go; else where the provider says.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// How the gateway authenticates there; else as at the token endpoint.
    #[serde(default)]
    pub endpoint_auth_method: Option<String>,
}

/// Proofs of possession (RFC 9449).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Dpop {
    /// Whether they are made.
    #[serde(default)]
    pub enabled: bool,
    /// PEM key that signs them.
    #[serde(default)]
    pub private_key: Option<String>,
    /// Its public part.
    #[serde(default)]
    pub public_jwk: Option<serde_json::Value>,
    /// Algorithm.
    #[serde(default = "es256")]
    pub signing_alg: String,
}

fn es256() -> String {
    "ES256".into()
}

/// What claims must say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimValidator {
    /// Who made the token.
    pub issuer: Option<Issuer>,
    /// Whom it is for.
    pub audience: Option<Audience>,
}

/// Who made the token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Issuer {
    /// One of these.
    pub valid_issuers: Option<Vec<String>>,
}

/// Whom a token is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audience {
    /// Claim that says so.
    pub claim: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it must name `client_id`.
    pub match_with_client_id: bool,
}

impl Default for Audience {
    fn default() -> Self {
        Self {
            claim: "aud".into(),
            required: false,
            match_with_client_id: false,
        }
    }
}
