//! Configuration of `attach-consumer-label`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// By header, the label: `$name`.
    pub headers: BTreeMap<String, String>,
}
