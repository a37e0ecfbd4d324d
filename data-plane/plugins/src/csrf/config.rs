//! Configuration of `csrf`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Secret that signs tokens.
    pub key: String,
    /// Seconds for which a token is good; 0 and less: for ever.
    #[serde(default = "two_hours")]
    pub expires: i64,
    /// Name of the cookie and of the header that carry the token.
    #[serde(default = "token_name")]
    pub name: String,
}

impl std::fmt::Debug for Config {
    /// Does not show the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("expires", &self.expires)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

const fn two_hours() -> i64 {
    7200
}

fn token_name() -> String {
    "apisix-csrf-token".into()
}
