//! Resources as clients see them, and ids as clients write them.

use serde_json::{Map, Value, json};
use weir_model::{Key, Kind, Resource};

use super::collection::{Collection, IdSource};
use super::error::Error;
use super::router::Path;
use crate::write::MALFORMED_ID;

/// The `value` of an answer: the document as written, with id and times.
pub(super) fn value(resource: &Resource) -> Value {
    let collection = Collection::of(resource.key.kind);
    let mut fields = match &*resource.spec {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    for hidden in collection.hidden {
        fields.shift_remove(*hidden);
    }
    if collection.id_source != IdSource::Username && !fields.contains_key("id") {
        fields.insert("id".to_owned(), shown_id(&resource.key).into());
    }
    fields.insert("create_time".to_owned(), resource.create_time.into());
    fields.insert("update_time".to_owned(), resource.update_time.into());
    Value::Object(fields)
}

/// The answer to a write.
pub(super) fn written(resource: &Resource) -> Value {
    json!({"key": resource.key.admin_path(), "value": value(resource)})
}

/// The answer to a read.
pub(super) fn read(resource: &Resource) -> Value {
    json!({
        "key": resource.key.admin_path(),
        "value": value(resource),
        "createdIndex": resource.created,
        "modifiedIndex": resource.modified,
    })
}

/// The id that a document carries: a secret's has its manager.
fn shown_id(key: &Key) -> &str {
    match key.kind {
        Kind::Secret => &key.id,
        _ => key.leaf(),
    }
}

/// The key of the resource that a path names; `None` when it names none.
pub(super) fn key(path: &Path) -> Option<Key> {
    let id = path.id.as_deref()?;
    Some(key_of(path, id))
}

fn key_of(path: &Path, id: &str) -> Key {
    match &path.parent {
        Some(parent) => Key::new(path.collection.kind, format!("{parent}/{id}")),
        None => Key::new(path.collection.kind, id),
    }
}

/// The key of the resource that a PUT is about: from path and document, which must agree.
///
/// # Errors
/// APISIX's texts for missing, wrong and malformed ids.
pub(super) fn put_key(path: &Path, spec: &Value) -> Result<Key, Error> {
    let label = path.collection.label;
    match path.collection.id_source {
        IdSource::Username => username_key(path, spec),
        IdSource::PluginName => {
            let name = path.id.as_deref();
            let name = name.ok_or_else(|| Error::invalid("missing plugin name"))?;
            Ok(key_of(path, name))
        }
        IdSource::Id => {
            let sent = sent_id(path, spec)?;
            let id = match (path.id.as_deref(), sent) {
                (Some(id), Some(sent)) if id != sent => {
                    return Err(Error::Invalid(format!("wrong {label} id")));
                }
                (Some(id), _) => id.to_owned(),
                (None, Some(sent)) => sent,
                (None, None) => return Err(Error::Invalid(format!("missing {label} id"))),
            };
            if path.collection.kind == Kind::Secret && path.parent.is_none() {
                return Err(Error::Invalid(format!("missing {label} id")));
            }
            Ok(key_of(path, &id))
        }
    }
}

fn username_key(path: &Path, spec: &Value) -> Result<Key, Error> {
    let sent = spec.get("username").and_then(Value::as_str);
    match (path.id.as_deref(), sent) {
        (Some(id), Some(sent)) if id != sent => Err(Error::invalid("wrong username")),
        // Without a username the document is refused by its schema.
        (id, sent) => Ok(key_of(path, sent.or(id).unwrap_or_default())),
    }
}

/// The id inside a document, as text.
///
/// # Errors
/// When it is neither text nor an integer.
pub(super) fn sent_id(path: &Path, spec: &Value) -> Result<Option<String>, Error> {
    let id = match spec.get("id") {
        None => return Ok(None),
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) if id.is_u64() => id.to_string(),
        Some(_) => return Err(malformed()),
    };
    let below = path
        .parent
        .as_deref()
        .and_then(|parent| id.strip_prefix(parent)?.strip_prefix('/'));
    Ok(Some(match (path.collection.kind, below) {
        (Kind::Secret, Some(id)) => id.to_owned(),
        _ => id,
    }))
}

fn malformed() -> Error {
    Error::invalid(MALFORMED_ID)
}
