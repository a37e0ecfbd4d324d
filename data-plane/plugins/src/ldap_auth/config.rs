//! Configuration of `ldap-auth`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Name below which users are.
    pub base_dn: String,
    /// The server: `HOST`, `HOST:PORT`, `ldap://...` or `ldaps://...`.
    pub ldap_uri: String,
    /// Attribute that names a user.
    #[serde(default = "cn")]
    pub uid: String,
    /// Whether TLS is spoken.
    #[serde(default)]
    pub use_tls: bool,
    /// Whether the server's certificate must be trusted and fit its name.
    #[serde(default)]
    pub tls_verify: bool,
    /// Whether the credential is taken out of the request before the node sees it.
    #[serde(default)]
    pub hide_credentials: bool,
    /// Realm in `WWW-Authenticate`; 1 to 128 visible ASCII characters without `"` and `\`.
    #[serde(default = "ldap")]
    pub realm: String,
}

fn cn() -> String {
    "cn".into()
}

fn ldap() -> String {
    "ldap".into()
}
