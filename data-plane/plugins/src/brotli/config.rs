//! Configuration of `brotli`.

use serde::{Deserialize, Serialize};

use crate::compression::Selection;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What is compressed.
    #[serde(flatten)]
    pub selection: Selection,
    /// What is expected of the body: 0 anything, 1 text, 2 fonts.
    pub mode: u8,
    /// 0 (fast) to 11 (small).
    pub comp_level: i32,
    /// Base 2 logarithm of the window, 10 to 24; 0 is the encoder's own.
    pub lgwin: i32,
    /// Base 2 logarithm of the block, 16 to 24; 0 is the encoder's own.
    pub lgblock: i32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            mode: 0,
            comp_level: 6,
            lgwin: 19,
            lgblock: 0,
        }
    }
}
