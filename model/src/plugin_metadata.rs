//! Settings of a plugin as a whole, one resource per plugin; its id is the plugin's name.

use serde_json::{Map, Value};

use crate::validate::Problem;

/// A plugin metadata document: free fields that the plugin's metadata schema describes.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginMetadata {
    /// The fields, as written, without `id`.
    pub fields: Map<String, Value>,
}

impl PluginMetadata {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        let Value::Object(fields) = spec else {
            let message = format!("expected an object of settings, got {spec}");
            return Err(Problem::new("", message));
        };
        let mut fields = fields.clone();
        fields.shift_remove("id");
        Ok(Self { fields })
    }
}
