//! Configuration of `echo`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes; at least one of the texts is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Before the body.
    pub before_body: Option<String>,
    /// In place of the body.
    pub body: Option<String>,
    /// After the body.
    pub after_body: Option<String>,
    /// Fields to set.
    pub headers: Option<Map<String, Value>>,
}
