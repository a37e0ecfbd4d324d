//! Fields that a schema neither knows nor refuses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::nearest;
use crate::field::pattern::Pattern;
use crate::validate::UnknownField;

/// Deepest place that is looked at.
const MAX_DEPTH: usize = 32;

/// Finds the fields of a document that its schema does not mention, at places where it would not
/// refuse them. Places that the schema leaves open on purpose (no declared properties, or
/// `additionalProperties` other than false) are left alone.
#[must_use]
pub fn unknown_fields(schema: &Value, doc: &Value) -> Vec<UnknownField> {
    let mut found = Vec::new();
    visit(&[schema], doc, "", 0, &mut found);
    found
}

fn visit(schemas: &[&Value], doc: &Value, path: &str, depth: usize, found: &mut Vec<UnknownField>) {
    if depth > MAX_DEPTH {
        return;
    }
    let mut all = Vec::new();
    for schema in schemas {
        expand(schema, &mut all, 0);
    }
    match doc {
        Value::Object(fields) => {
            let place = Place::of(&all);
            for (name, value) in fields {
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let children = place.children(name);
                if !children.is_empty() {
                    visit(&children, value, &inner, depth + 1, found);
                } else if place.closed() {
                    let known = nearest(name, place.names.iter().copied());
                    found.push(UnknownField {
                        nearest: known.map(str::to_owned),
                        path: inner,
                    });
                }
            }
        }
        Value::Array(items) => {
            let children: Vec<&Value> = all
                .iter()
                .filter_map(|schema| schema.get("items"))
                .flat_map(|items| match items {
                    Value::Array(tuple) => tuple.iter().collect::<Vec<_>>(),
                    schema => vec![schema],
                })
                .collect();
            for (index, item) in items.iter().enumerate() {
                visit(
                    &children,
                    item,
                    &format!("{path}[{index}]"),
                    depth + 1,
                    found,
                );
            }
        }
        _ => {}
    }
}

/// A schema together with all schemas that apply at the same place.
fn expand<'a>(schema: &'a Value, all: &mut Vec<&'a Value>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    all.push(schema);
    for name in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get(name).and_then(Value::as_array);
        for branch in branches.into_iter().flatten() {
            expand(branch, all, depth + 1);
        }
    }
    for name in ["if", "then", "else"] {
        if let Some(branch) = schema.get(name) {
            expand(branch, all, depth + 1);
        }
    }
    let dependencies = schema.get("dependencies").and_then(Value::as_object);
    for dependent in dependencies.into_iter().flat_map(|map| map.values()) {
        if dependent.is_object() {
            expand(dependent, all, depth + 1);
        }
    }
}

/// What the schemas of one place say about the names of fields.
struct Place<'a> {
    schemas: &'a [&'a Value],
    names: BTreeSet<&'a str>,
    open: bool,
}

impl<'a> Place<'a> {
    fn of(schemas: &'a [&'a Value]) -> Self {
        let properties = schemas
            .iter()
            .filter_map(|schema| schema.get("properties").and_then(Value::as_object));
        let open = schemas.iter().any(|schema| {
            let additional = schema.get("additionalProperties");
            additional.is_some_and(|value| value != &Value::Bool(false))
        });
        Self {
            schemas,
            names: properties
                .flat_map(|map| map.keys().map(String::as_str))
                .collect(),
            open,
        }
    }

    /// Whether a name that no schema mentions is ignored by everybody.
    fn closed(&self) -> bool {
        !self.open && !self.names.is_empty()
    }

    /// Schemas for the value of a field.
    fn children(&self, name: &str) -> Vec<&'a Value> {
        let mut children = Vec::new();
        for schema in self.schemas {
            if let Some(child) = schema.get("properties").and_then(|map| map.get(name)) {
                children.push(child);
            }
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            for (source, child) in patterns.into_iter().flatten() {
                if source == ".*" || Pattern::parse(source).is_ok_and(|p| p.is_match(name)) {
                    children.push(child);
                }
            }
        }
        children
    }
}
