//! Configuration of `decompress-request`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Codings that are undone; others are refused.
    pub codings: Vec<Coding>,
    /// Largest body in bytes, compressed and plain.
    pub max_size: usize,
    /// How many times as large as the compressed body the plain one may be, from 64 KiB on.
    pub max_ratio: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            codings: vec![Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd],
            max_size: 10 * 1024 * 1024,
            max_ratio: 100,
        }
    }
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or bare RFC 1951.
    Deflate,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// Its name in `Content-Encoding`.
    pub(super) const fn token(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Br => "br",
            Coding::Zstd => "zstd",
        }
    }
}
