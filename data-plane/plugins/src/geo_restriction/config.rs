//! Configuration of `geo-restriction`.

use serde::{Deserialize, Serialize};

/// What an operator writes; one of the two lists is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Only clients from these places pass.
    pub allowlist: Option<Places>,
    /// Clients from these places are refused.
    pub denylist: Option<Places>,
    /// Whether a client passes of whom no place is known; by default with `denylist` only.
    pub allow_unknown: Option<bool>,
    /// Message of a refusal; 1 to 1024 characters.
    pub message: String,
    /// Status of a refusal: 403, 404 or 451.
    pub response_code: u16,
}

/// Countries and continents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    /// ISO 3166 codes: `DE`.
    pub countries: Vec<String>,
    /// Codes of continents: `EU`.
    pub continents: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allowlist: None,
            denylist: None,
            allow_unknown: None,
            message: "Your region is not allowed".into(),
            response_code: 403,
        }
    }
}
