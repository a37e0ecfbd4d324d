//! Configuration of `openid-connect`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::options::{ClaimValidator, Dpop, Par, ProxyOpts, Session, UnauthAction};

/// What an operator writes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Id of the gateway at the provider.
    pub client_id: String,
    /// Secret of the gateway at the provider.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// URL of the document that says what the provider has.
    pub discovery: String,
    /// Where the provider sends users back to: a URL or a path.
    #[serde(default)]
    pub redirect_uri: Option<String>,
    /// How the gateway authenticates at the token endpoint.
    #[serde(default = "client_secret_basic")]
    pub token_endpoint_auth_method: String,
    /// Whether only bearer tokens count, and nobody is sent to the provider.
    #[serde(default)]
    pub bearer_only: bool,
    /// Parameters of the authorization request.
    #[serde(default)]
    pub authorization_params: Option<Map<String, Value>>,
    /// Whether the provider's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// `kid` of assertions.
    #[serde(default)]
    pub client_rsa_private_key_id: Option<String>,
    /// Seconds for which an assertion is good.
    #[serde(default = "one_minute")]
    pub client_jwt_assertion_expires_in: i64,
    /// How assertions are signed.
    #[serde(default)]
    pub client_jwt_assertion_alg: Option<String>,
    /// Proxies to the provider.
    #[serde(default)]
    pub proxy_opts: Option<ProxyOpts>,
    /// `aud` of assertions.
    #[serde(default)]
    pub client_jwt_assertion_audience: Option<String>,
    /// What becomes of requests without a login.
    #[serde(default)]
    pub unauth_action: UnauthAction,
    /// Whether access tokens are renewed.
    #[serde(default = "yes")]
    pub renew_access_token_on_expiry: bool,
    /// Seconds for which an access token is good that does not say it.
    #[serde(default)]
    pub access_token_expires_in: Option<i64>,
    /// Seconds before its end at which an access token is renewed.
    #[serde(default)]
    pub access_token_expires_leeway: i64,
    /// Whether bearer tokens are verified by the keys of the provider.
    #[serde(default)]
    pub use_jwks: bool,
    /// Seconds by which clocks may differ.
    #[serde(default = "two_minutes")]
    pub iat_slack: i64,
    /// Whether ID tokens from the token endpoint may be unsigned.
    #[serde(default)]
    pub accept_none_alg: bool,
    /// The algorithm of tokens.
    #[serde(default)]
    pub token_signing_alg_values_expected: Option<String>,
    /// Whether logins are bound to the gateway by PKCE.
    #[serde(default)]
    pub use_pkce: bool,
    /// Seconds after which the provider is asked silently whether the login still holds.
    #[serde(default)]
    pub refresh_session_interval: Option<i64>,
    /// Refused.
    #[serde(default)]
    pub force_reauthorize: bool,
    /// Realm in `WWW-Authenticate`.
    #[serde(default = "apisix")]
    pub realm: String,
    /// Whether ID tokens are bound to logins by a nonce.
    #[serde(default)]
    pub use_nonce: bool,
    /// Where tokens are introspected.
    #[serde(default)]
    pub introspection_endpoint: Option<String>,
    /// Whether tokens are revoked at logout.
    #[serde(default)]
    pub revoke_tokens_on_logout: bool,
    /// How the gateway authenticates there.
    #[serde(default = "client_secret_basic")]
    pub introspection_endpoint_auth_method: String,
    /// Seconds that a call to the provider may take.
    #[serde(default = "three")]
    pub timeout: i64,
    /// Whether ID tokens from the token endpoint may be signed in a way that is not known.
    #[serde(default = "yes")]
    pub accept_unsupported_alg: bool,
    /// Verified tokens are not cached here, so that it changes nothing.
    #[serde(default)]
    pub jwt_verification_cache_ignore: bool,
    /// Whether the node gets the ID token as it is.
    #[serde(default)]
    pub set_raw_id_token_header: bool,
    /// Separates what is cached from that of others.
    #[serde(default)]
    pub cache_segment: Option<String>,
    /// Whether the node is told of the user.
    #[serde(default = "yes")]
    pub set_userinfo_header: bool,
    /// Seconds for which an introspection counts at most; 0 is until the token ends.
    #[serde(default)]
    pub introspection_interval: i64,
    /// The session.
    #[serde(default)]
    pub session: Option<Session>,
    /// Claim that says when a token ends.
    #[serde(default)]
    pub introspection_expiry_claim: Option<String>,
    /// Whether the node gets the access token.
    #[serde(default = "yes")]
    pub set_access_token_header: bool,
    /// Headers of the request that the introspection endpoint gets.
    #[serde(default)]
    pub introspection_addon_headers: Option<Vec<String>>,
    /// Scopes that are asked for.
    #[serde(default = "openid")]
    pub scope: String,
    /// Scopes that a token must have.
    #[serde(default)]
    pub required_scopes: Option<Vec<String>>,
    /// Path that ends a session.
    #[serde(default = "logout_path")]
    pub logout_path: String,
    /// JSON schema of what is known of the user.
    #[serde(default)]
    pub claim_schema: Option<Map<String, Value>>,
    /// Whether the node gets the claims of the ID token.
    #[serde(default = "yes")]
    pub set_id_token_header: bool,
    /// Where users go after logout.
    #[serde(default)]
    pub post_logout_redirect_uri: Option<String>,
    /// Whether the node gets the access token in `Authorization`.
    #[serde(default)]
    pub access_token_in_authorization_header: bool,
    /// PEM key that bearer tokens are verified by.
    #[serde(default)]
    pub public_key: Option<String>,
    /// PEM key that assertions are signed with.
    #[serde(default)]
    pub client_rsa_private_key: Option<String>,
    /// What claims must say.
    #[serde(default)]
    pub claim_validator: Option<ClaimValidator>,
    /// Seconds for which keys of the provider are kept.
    #[serde(default = "one_day")]
    pub jwk_expires_in: i64,
    /// Pushed authorization requests.
    #[serde(default)]
    pub par: Option<Par>,
    /// Whether the node gets the refresh token.
    #[serde(default)]
    pub set_refresh_token_header: bool,
    /// Proofs of possession.
    #[serde(default)]
    pub dpop: Option<Dpop>,
}

impl std::fmt::Debug for Config {
    /// Shows no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("client_id", &self.client_id)
            .field("discovery", &self.discovery)
            .finish_non_exhaustive()
    }
}

fn client_secret_basic() -> String {
    "client_secret_basic".into()
}

fn openid() -> String {
    "openid".into()
}

fn apisix() -> String {
    "apisix".into()
}

fn logout_path() -> String {
    "/logout".into()
}

const fn yes() -> bool {
    true
}

const fn three() -> i64 {
    3
}

const fn one_minute() -> i64 {
    60
}

const fn two_minutes() -> i64 {
    120
}

const fn one_day() -> i64 {
    86_400
}
