//! Configuration of `zstd`.

use serde::{Deserialize, Serialize};

use crate::compression::Types;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Content types to compress.
    pub types: Types,
    /// Smallest `Content-Length`; does not count without one.
    pub min_length: u64,
    /// 1 (fast) to 19 (small).
    pub comp_level: i32,
    /// Base 2 logarithm of the window, 10 to 23; 0 is what belongs to the level.
    pub window_log: u32,
    /// Whether a checksum follows the body.
    pub checksum: bool,
    /// Lowest version of HTTP: 1.1 or 1.
    pub http_version: f64,
    /// Whether answers carry `Vary: Accept-Encoding`.
    pub vary: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            types: Types::default(),
            min_length: 20,
            comp_level: 3,
            window_log: 0,
            checksum: false,
            http_version: 1.1,
            vary: None,
        }
    }
}
