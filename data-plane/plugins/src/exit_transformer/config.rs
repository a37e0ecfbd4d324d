//! Configuration of `exit-transformer`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Texts in Lua, each of which is a function of status, body and headers.
    pub functions: Vec<String>,
}
