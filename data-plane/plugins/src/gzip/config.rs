//! Configuration of `gzip`.

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
    /// 1 (fast) to 9 (small).
    pub comp_level: u32,
    /// Lowest version of HTTP: 1.1 or 1.
    pub http_version: f64,
    /// Memory for compressed chunks.
    pub buffers: Buffers,
    /// Whether answers carry `Vary: Accept-Encoding`.
    pub vary: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            types: Types::default(),
            min_length: 20,
            comp_level: 1,
            http_version: 1.1,
            buffers: Buffers::default(),
            vary: None,
        }
    }
}

/// How much memory is set aside for a compressed chunk beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Buffers {
    /// So many pieces at most.
    pub number: usize,
    /// Bytes of a piece.
    pub size: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            number: 32,
            size: 4096,
        }
    }
}
