//! Configuration of `zstd`.

use serde::{Deserialize, Serialize};

use crate::compression::Selection;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// What is compressed.
    #[serde(flatten)]
    pub selection: Selection,
    /// 1 (fast) to 19 (small).
    pub comp_level: i32,
    /// Base 2 logarithm of the window, 10 to 23; 0 is what belongs to the level.
    pub window_log: u32,
    /// Whether a checksum follows the body.
    pub checksum: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            comp_level: 3,
            window_log: 0,
            checksum: false,
        }
    }
}
