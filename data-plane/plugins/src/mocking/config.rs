//! Configuration of `mocking`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Body as it is, with variables.
    pub response_example: Option<String>,
    /// JSON schema that a body is made up from, when there is no example.
    pub response_schema: Option<Value>,
    /// Status, 200 to 999.
    pub response_status: u32,
    /// Headers besides.
    pub response_headers: Option<Map<String, Value>>,
    /// Type of the body.
    pub content_type: String,
    /// Whether the answer says that it is a mock.
    pub with_mock_header: bool,
    /// Seconds before the answer; 0 or less is none.
    pub delay: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            response_example: None,
            response_schema: None,
            response_status: 200,
            response_headers: None,
            content_type: "application/json;charset=utf8".into(),
            with_mock_header: true,
            delay: 0,
        }
    }
}
