//! Configuration of `brotli`.

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
    /// What is expected of the body: 0 anything, 1 text, 2 fonts.
    pub mode: u8,
    /// 0 (fast) to 11 (small).
    pub comp_level: i32,
    /// Base 2 logarithm of the window, 10 to 24; 0 is the encoder's own.
    pub lgwin: i32,
    /// Base 2 logarithm of the block, 16 to 24; 0 is the encoder's own.
    pub lgblock: i32,
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
            mode: 0,
            comp_level: 6,
            lgwin: 19,
            lgblock: 0,
            http_version: 1.1,
            vary: None,
        }
    }
}
