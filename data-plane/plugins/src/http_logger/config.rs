//! Configuration of `http-logger`.

use serde::{Deserialize, Serialize};

use crate::logging::{BatchOptions, EntryOptions};

/// How entries of a batch are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// A JSON array.
    #[default]
    Json,
    /// One to a line.
    NewLine,
}

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where to.
    pub uri: String,
    /// `Authorization` of the calls.
    #[serde(default)]
    pub auth_header: Option<String>,
    /// Seconds that a call may take.
    #[serde(default = "three")]
    pub timeout: u64,
    /// How entries are joined.
    #[serde(default)]
    pub concat_method: Join,
    /// Whether the server's certificate is verified.
    #[serde(default)]
    pub ssl_verify: bool,
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// What is logged.
    #[serde(flatten)]
    pub entry: EntryOptions,
    /// When it is sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

const fn three() -> u64 {
    3
}

fn name() -> String {
    "http logger".into()
}
