//! Configuration of `jwt-auth`.

use serde::{Deserialize, Serialize};

/// A time claim that must be there and hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Claim {
    /// End of validity.
    Exp,
    /// Begin of validity.
    Nbf,
}

/// What an operator writes on a route, service or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Header that holds the token, with or without `Bearer `. It wins over the query argument.
    pub header: String,
    /// Query argument that holds the token. It wins over the cookie.
    pub query: String,
    /// Cookie that holds the token.
    pub cookie: String,
    /// Whether the token is taken out of the request before the node sees it.
    pub hide_credentials: bool,
    /// Claim that names the credential.
    pub key_claim_name: String,
    /// Whether later plugins may read the claims.
    pub store_in_ctx: bool,
    /// Times that must be there; without any `exp` and `nbf` hold where they are.
    pub claims_to_verify: Option<Vec<Claim>>,
    /// Consumer of requests without a valid token; without it they are refused.
    pub anonymous_consumer: Option<String>,
    /// Realm in `WWW-Authenticate`; 1 to 128 visible ASCII characters without `"` and `\`.
    pub realm: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "authorization".into(),
            query: "jwt".into(),
            cookie: "jwt".into(),
            hide_credentials: false,
            key_claim_name: "key".into(),
            store_in_ctx: false,
            claims_to_verify: None,
            anonymous_consumer: None,
            realm: "jwt".into(),
        }
    }
}
