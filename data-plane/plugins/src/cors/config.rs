//! Configuration of `cors`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What an operator writes. `*` stands for anything, `**` for anything with credentials allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Origins that may read answers: `*`, `**`, `null`, or a list with commas.
    pub allow_origins: String,
    /// Expressions of such origins, in place of `allow_origins`.
    pub allow_origins_by_regex: Option<Vec<String>>,
    /// Names of lists of origins in the plugin's metadata, besides.
    pub allow_origins_by_metadata: Option<Vec<String>>,
    /// Methods that may be used.
    pub allow_methods: String,
    /// Fields that may be sent.
    pub allow_headers: String,
    /// Fields that may be read.
    pub expose_headers: Option<String>,
    /// Seconds for which a preflight may be remembered.
    pub max_age: i64,
    /// Whether cookies and other credentials may be sent.
    pub allow_credential: bool,
    /// Origins that may see timings.
    pub timing_allow_origins: Option<String>,
    /// Expressions of such origins, in place of `timing_allow_origins`.
    pub timing_allow_origins_by_regex: Option<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_origins: "*".into(),
            allow_origins_by_regex: None,
            allow_origins_by_metadata: None,
            allow_methods: "*".into(),
            allow_headers: "*".into(),
            expose_headers: None,
            max_age: 5,
            allow_credential: false,
            timing_allow_origins: None,
            timing_allow_origins_by_regex: None,
        }
    }
}

/// Metadata of the plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Lists of origins by name.
    pub allow_origins: HashMap<String, String>,
}
