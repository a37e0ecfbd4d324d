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
    // Some schemas ask for the id, which stored documents carry only when the operator wrote it.
    if let (Some(fields), Kind::PluginConfig | Kind::ConsumerGroup | Kind::GlobalRule) =
        (doc.as_object_mut(), kind)
    {
        fields.entry("id").or_insert_with(|| Value::from("1"));
    }
    alias::normalise(kind, &mut doc)?;
    schema::compiled(kind).check(&mut doc)?;
    typed(doc)
}

/// Deserialises a document that its schema has accepted.
pub(crate) fn typed<T: DeserializeOwned>(doc: Value) -> Result<T, Problem> {
    serde_json::from_value(doc).map_err(|error| Problem::new("", error.to_string()))
}
