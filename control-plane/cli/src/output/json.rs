//! JSON output.

use serde_json::Value;

/// Indented text.
pub(crate) fn pretty(value: &Value) -> String {
    // A JSON value always serialises.
    serde_json::to_string_pretty(value).unwrap_or_default()
}
