//! `configs/validate`: many documents at once, checked and not stored.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use weir_model::{Key, Kind};

use super::error::{Error, text};
use super::respond::Answer;
use crate::Shared;
use crate::write;

/// Checks documents and plugins, not references.
pub(super) fn validate(shared: &Shared, headers: &HeaderMap, body: Bytes) -> Result<Answer, Error> {
    let documents = parse(headers, &body)?;
    let mut errors = Vec::new();
    for kind in Kind::ALL {
        check_version(kind, &documents, &mut errors);
        let items = documents.get(kind.collection()).and_then(Value::as_array);
        let mut ids = BTreeSet::new();
        for (index, item) in items.into_iter().flatten().enumerate() {
            let problem =
                check(shared, kind, index, item).or_else(|| duplicate(kind, item, &mut ids));
            if let Some(problem) = problem {
                errors.push(json!({
                    "resource_type": kind.collection(),
                    "resource_id": id(item).unwrap_or_default(),
                    "index": index,
                    "error": problem,
                }));
            }
        }
    }
    if errors.is_empty() {
        return Ok(Answer::json(json!({})));
    }
    Err(Error::Many(errors))
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Error> {
    let invalid = |text: String| Error::Invalid(format!("invalid request body: {text}"));
    if body.is_empty() {
        return Err(invalid("empty request body".to_owned()));
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let yaml = content_type.is_some_and(|kind| kind.starts_with("application/yaml"));
    let value: Value = if yaml {
        let text = String::from_utf8_lossy(body);
        serde_saphyr::from_str(&text)
            .map_err(|_| invalid("invalid yaml request body".to_owned()))?
    } else {
        serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?
    };
    match value {
        Value::Object(documents) => Ok(documents),
        _ => Err(invalid("expected an object of collections".to_owned())),
    }
}

fn check_version(kind: Kind, documents: &Map<String, Value>, errors: &mut Vec<Value>) {
    let name = format!("{}_conf_version", kind.collection());
    if documents
        .get(&name)
        .is_some_and(|version| !version.is_number())
    {
        errors.push(json!({
            "resource_type": kind.collection(),
            "error": format!("{name} must be a number"),
        }));
    }
}

/// What is wrong with one document.
fn check(shared: &Shared, kind: Kind, index: usize, item: &Value) -> Option<String> {
    let id = id(item).unwrap_or_else(|| "1".to_owned());
    let key = match (kind, id.split_once("/credentials/")) {
        (Kind::Consumer, Some((consumer, credential))) => {
            Key::new(Kind::Credential, format!("{consumer}/{credential}"))
        }
        (Kind::Secret, _) if !id.contains('/') => {
            return Some(wrong(kind, index, &format!("invalid secret id: {id}")));
        }
        _ => Key::new(kind, id),
    };
    let validation = write::validate(&shared.catalog, &key, item);
    let problem = validation.problems.first()?;
    Some(wrong(kind, index, &text(problem)))
}

fn wrong(kind: Kind, index: usize, text: &str) -> String {
    format!(
        "invalid {} at index {index}, err: {text}",
        kind.collection()
    )
}

fn duplicate(kind: Kind, item: &Value, ids: &mut BTreeSet<String>) -> Option<String> {
    let id = id(item)?;
    let by = match item.get("id") {
        Some(_) => "id",
        None => "username",
    };
    let text = format!("found duplicate {by} {id} in {}", kind.collection());
    (!ids.insert(id)).then_some(text)
}

fn id(item: &Value) -> Option<String> {
    match item.get("id").or_else(|| item.get("username"))? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
