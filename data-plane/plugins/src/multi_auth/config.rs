//! Configuration of `multi-auth`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Authentication plugins with their configurations, in the order in which they are tried; two
    /// and more. An object with several is tried in its order.
    pub auth_plugins: Vec<Map<String, Value>>,
}
