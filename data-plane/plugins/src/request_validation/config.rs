//! Configuration of `request-validation`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// JSON schema of the headers; names are found in whichever case.
    pub header_schema: Option<Value>,
    /// JSON schema of the body, JSON or form.
    pub body_schema: Option<Value>,
    /// Largest body that is read, in bytes.
    pub max_req_body_size: usize,
    /// Status of refusals.
    pub rejected_code: u16,
    /// Body of refusals in place of what is wrong.
    pub rejected_msg: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header_schema: None,
            body_schema: None,
            max_req_body_size: 64 << 20,
            rejected_code: 400,
            rejected_msg: None,
        }
    }
}
