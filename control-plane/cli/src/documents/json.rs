//! JSON input: one value after the other.

use serde_json::Value;

use super::node::{Node, float};

/// The values of a text that starts like JSON; `None` when it does not.
pub(super) fn roots(text: &str) -> Option<Result<Vec<Node>, serde_json::Error>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    Some(
        values
            .map(|value| {
                let value = value?;
                exact(&value)?;
                Ok(Node::from(value))
            })
            .collect(),
    )
}

/// Refuses numbers that were too large to be kept.
fn exact(value: &Value) -> Result<(), serde_json::Error> {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(as_float) if number.is_f64() => float(as_float).map(|_: serde_json::Number| ()),
            _ => Ok(()),
        },
        Value::Array(items) => items.iter().try_for_each(exact),
        Value::Object(map) => map.values().try_for_each(exact),
        _ => Ok(()),
    }
}
