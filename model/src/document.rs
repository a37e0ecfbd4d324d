//! From a document to a typed resource: one spelling, schema, defaults, types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::alias;
use crate::resource::Kind;
use crate::schema;
use crate::validate::Problem;

/// Reads a document of one kind.
///
/// # Errors
/// The first thing that is wrong with it, with APISIX's text where the schema refuses it.
pub(crate) fn read<T: DeserializeOwned>(kind: Kind, spec: &Value) -> Result<T, Problem> {
    let mut doc = spec.clone();
    alias::normalise(kind, &mut doc)?;
    schema::compiled(kind).check(&mut doc)?;
    typed(doc)
}

/// Deserialises a document that its schema has accepted.
pub(crate) fn typed<T: DeserializeOwned>(doc: Value) -> Result<T, Problem> {
    serde_json::from_value(doc).map_err(|error| Problem::new("", error.to_string()))
}
