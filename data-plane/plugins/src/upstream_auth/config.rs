//! Configuration of `upstream-auth`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A key that does not change.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Header that carries it.
    #[serde(default)]
    pub header: Option<String>,
    /// Query argument that carries it.
    #[serde(default)]
    pub query: Option<String>,
    /// The key.
    pub value: String,
}

/// Basic authentication.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Basic {
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
}

/// A token for each request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Jwt {
    /// How it is signed.
    #[serde(default = "hs256")]
    pub algorithm: String,
    /// Secret of the HS algorithms.
    #[serde(default)]
    pub secret: Option<String>,
    /// PEM key of the others.
    #[serde(default)]
    pub private_key: Option<String>,
    /// `kid`.
    #[serde(default)]
    pub key_id: Option<String>,
    /// Seconds for which it is good.
    #[serde(default = "one_minute")]
    pub lifetime: u64,
    /// Claims; texts may have variables.
    #[serde(default)]
    pub claims: Option<Map<String, Value>>,
    /// Header that carries it.
    #[serde(default = "authorization")]
    pub header: String,
    /// What stands in front of it there; nothing when empty.
    #[serde(default = "bearer")]
    pub scheme: String,
}

/// What of the client's own is taken out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Strip {
    /// Headers.
    pub headers: Vec<String>,
    /// Query arguments.
    pub query: Vec<String>,
    /// Cookies.
    pub cookies: Vec<String>,
}

/// What an operator writes: one of the three.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// A key that does not change.
    #[serde(default)]
    pub key: Option<Key>,
    /// Basic authentication.
    #[serde(default)]
    pub basic: Option<Basic>,
    /// A token for each request.
    #[serde(default)]
    pub jwt: Option<Jwt>,
    /// What of the client's own is taken out.
    #[serde(default)]
    pub strip: Option<Strip>,
}

impl std::fmt::Debug for Config {
    /// Shows no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("key", &self.key.is_some())
            .field("basic", &self.basic.is_some())
            .field("jwt", &self.jwt.is_some())
            .field("strip", &self.strip)
            .finish()
    }
}

fn hs256() -> String {
    "HS256".into()
}

const fn one_minute() -> u64 {
    60
}

fn authorization() -> String {
    "Authorization".into()
}

fn bearer() -> String {
    "Bearer".into()
}
