//! Forms and queries as Lua's `ngx.decode_args` reads them: a name alone is `true`, and a name that
//! stands several times has the list of its values.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json::MAX_VALUES;

/// The fields of a form or of a query.
///
/// # Errors
/// There are more than are read.
pub(crate) fn fields(text: &[u8]) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (index, pair) in text.split(|byte| *byte == b'&').enumerate() {
        if index >= MAX_VALUES {
            return Err(format!("it holds more than {MAX_VALUES} fields"));
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next().unwrap_or_default());
        if name.is_empty() {
            continue;
        }
        let value = halves
            .next()
            .map_or(Value::Bool(true), |value| Value::String(decoded(value)));
        match fields.get_mut(&name) {
            None => _ = fields.insert(name, value),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(fields)
}

fn decoded(text: &[u8]) -> String {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        let spaced = text
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte });
        Cow::Owned(spaced.collect())
    } else {
        Cow::Borrowed(text)
    };
    let decoded = percent_encoding::percent_decode(&spaced);
    decoded.decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_read_as_lua_reads_them() {
        let read = |text: &str| Value::Object(fields(text.as_bytes()).unwrap());
        assert_eq!(
            read("a=1&b=x+y%21&c&a=2&a=3&=4&d="),
            json!({"a": ["1", "2", "3"], "b": "x y!", "c": true, "d": ""})
        );
        assert_eq!(read(""), json!({}));
        assert!(fields("a&".repeat(MAX_VALUES).as_bytes()).is_err());
    }
}
