//! Configuration of `file-logger`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::logging::EntryOptions;

/// What an operator writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The file; without it that of the metadata.
    #[serde(default)]
    pub path: Option<String>,
    /// Expressions of which one must hold for a request to be logged.
    #[serde(default, rename = "match")]
    pub matches: Option<Vec<Vec<Value>>>,
    /// What is logged.
    #[serde(flatten)]
    pub entry: EntryOptions,
}

/// Metadata of the plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// The file of those that name none.
    pub path: Option<String>,
    /// Format of those that have none.
    pub log_format: Option<Map<String, Value>>,
    /// Further fields of those that have none.
    pub log_format_extra: Option<Map<String, Value>>,
}
