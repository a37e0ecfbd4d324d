//! Schemas of the kinds, and documents checked against them alone.

use serde_json::Value;
use weir_model::Kind;
use weir_model::schema::{check, object_schema};

use super::error::{Error, text};
use super::respond::Answer;

/// `schema/{kind}`, singular.
pub(super) fn get(name: &str) -> Result<Answer, Error> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| Error::Invalid(format!("not found schema: {name}")))?;
    Ok(Answer::json(object_schema(kind).clone()))
}

/// `schema/validate/{kinds}`, plural: only the schema, neither plugins nor references.
pub(super) fn validate(name: &str, body: Option<Value>) -> Result<Answer, Error> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.collection() == name);
    let kind = kind.ok_or_else(|| Error::Unsupported(name.to_owned()))?;
    let mut document = body.unwrap_or(Value::Null);
    check(object_schema(kind), &mut document).map_err(|problem| Error::Invalid(text(&problem)))?;
    Ok(Answer::empty())
}
