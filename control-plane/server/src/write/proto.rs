//! Protocol buffer definitions are compiled when they are written.

use serde_json::Value;
use weir_model::Problem;

/// Compiles `content`: the text of a `.proto`, or a base64 descriptor set.
///
/// # Errors
/// `invalid content: ...`, at `content`.
pub(super) fn check(spec: &Value) -> Result<(), Problem> {
    let content = spec.get("content").and_then(Value::as_str).unwrap_or("");
    match weir_plugins::proto::compile(content) {
        Ok(_) => Ok(()),
        Err(text) => Err(Problem::new("content", format!("invalid content: {text}"))),
    }
}
