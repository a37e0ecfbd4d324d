//! Headers as a document that a schema can be held against.

use std::collections::HashMap;

use http::HeaderMap;
use serde_json::{Map, Value};
use weir_model::schema::Compiled;

use crate::embedded_schema;

/// The check of a request's headers.
pub(super) struct HeaderCheck {
    schema: Compiled,
    /// How the schema spells a field that it does not write in lower case, by its name in HTTP.
    spelled: HashMap<String, Vec<String>>,
}

impl HeaderCheck {
    /// # Errors
    /// What is wrong with the schema.
    pub(super) fn compile(schema: &Value) -> Result<Self, String> {
        let mut spelled: HashMap<String, Vec<String>> = HashMap::new();
        for name in embedded_schema::property_names(schema) {
            // As the tables of ngx.req.get_headers find a field.
            let field = name.to_ascii_lowercase().replace('_', "-");
            spelled.entry(field).or_default().push(name);
        }
        Ok(Self {
            schema: embedded_schema::compile(schema)?,
            spelled,
        })
    }

    /// # Errors
    /// What is wrong with the headers.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), String> {
        let mut document = Map::new();
        for name in headers.keys() {
            let mut values = headers.get_all(name).iter();
            let mut values = values
                .by_ref()
                .map(|value| Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()));
            let first = values.next().unwrap_or_default();
            let rest: Vec<Value> = values.collect();
            let value = if rest.is_empty() {
                first
            } else {
                Value::Array(std::iter::once(first).chain(rest).collect())
            };
            match self.spelled.get(name.as_str()) {
                None => _ = document.insert(name.as_str().to_owned(), value),
                Some(spellings) => {
                    for spelling in spellings {
                        document.insert(spelling.clone(), value.clone());
                    }
                }
            }
        }
        let checked = self.schema.check(&mut Value::Object(document));
        checked.map_err(|problem| problem.message)
    }
}
