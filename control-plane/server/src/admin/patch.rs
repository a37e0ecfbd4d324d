//! PATCH: a merge into a document, or one part of it replaced. Pure.

use serde_json::{Map, Value};

use super::error::Error;

/// Merges `change` into `document`: objects deeply, arrays are replaced, null removes.
pub(super) fn merge(document: &mut Value, change: Value) {
    match (document, change) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    fields.shift_remove(&name);
                } else {
                    merge(fields.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (document, Value::Object(changes)) => {
            *document = Value::Object(Map::new());
            merge(document, Value::Object(changes));
        }
        (document, change) => *document = change,
    }
}

/// Replaces what is at `path` by `value`; missing parents are made.
///
/// # Errors
/// When a parent is there and is not an object.
pub(super) fn replace(document: &mut Value, path: &[String], value: Value) -> Result<(), Error> {
    let invalid = || Error::Invalid(format!("invalid sub-path: /{}", path.join("/")));
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    let mut place = document;
    for parent in parents {
        let fields = place.as_object_mut().ok_or_else(invalid)?;
        place = fields
            .entry(parent.as_str())
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let fields = place.as_object_mut().ok_or_else(invalid)?;
    fields.insert(last.clone(), value);
    Ok(())
}

/// Takes out what the server keeps beside the document; tells what it found.
pub(super) fn without_times(document: &mut Value) -> Vec<String> {
    let Some(fields) = document.as_object_mut() else {
        return Vec::new();
    };
    ["create_time", "update_time"]
        .into_iter()
        .filter(|name| fields.shift_remove(*name).is_some())
        .map(|name| format!("{name}: set by the server, ignored"))
        .collect()
}
