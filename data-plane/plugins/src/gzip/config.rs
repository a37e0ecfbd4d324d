//! Configuration of `gzip`.

use serde::{Deserialize, Serialize};

use crate::compression::Selection;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What is compressed.
    #[serde(flatten)]
    pub selection: Selection,
    /// 1 (fast) to 9 (small).
    pub comp_level: u32,
    /// Memory for compressed chunks.
    pub buffers: Buffers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            comp_level: 1,
            buffers: Buffers::default(),
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
