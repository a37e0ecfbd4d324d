//! JSON schemas that operators write inside configurations.
//!
//! The checker of the model does the work, with APISIX's texts. What it cannot do is refused here when
//! the configuration is written, where it would otherwise be ignored.

use serde_json::{Map, Value};
use weir_model::field::pattern::Pattern;
use weir_model::schema::Compiled;

/// Deepest nesting of schemas, references included.
const MAX_DEPTH: usize = 64;
/// Schemas in one document, once references stand for what they name.
const MAX_NODES: usize = 10_000;

/// Keywords whose value is a schema.
const SCHEMA: [&str; 7] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "items",
    "additionalProperties",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "items"];
/// Keywords whose value has schemas under names of its own.
const MAP: [&str; 3] = ["properties", "patternProperties", "dependencies"];
/// Keywords that change what fits, and that the checker does not know.
const UNSUPPORTED: [&str; 9] = [
    "propertyNames",
    "additionalItems",
    "$dynamicRef",
    "$recursiveRef",
    "dependentSchemas",
    "dependentRequired",
    "prefixItems",
    "unevaluatedProperties",
    "unevaluatedItems",
];
const TYPES: [&str; 8] = [
    "object", "array", "table", "string", "number", "integer", "boolean", "null",
];

/// Compiles a schema.
///
/// # Errors
/// What in it does not work, and where.
pub(crate) fn compile(schema: &Value) -> Result<Compiled, String> {
    resolved(schema).map(|schema| Compiled::new(&schema))
}

/// Compiles a schema of an OpenAPI 3 document, which its references lead into.
///
/// A schema that holds itself is followed a few times; what is nested deeper is not looked at.
///
/// # Errors
/// What in it does not work, and where.
pub(crate) fn compile_openapi(root: &Value, schema: &Value) -> Result<Compiled, String> {
    let mut walk = Walk {
        root,
        open: Vec::new(),
        nodes: 0,
        dialect: Dialect::OpenApi,
    };
    let schema = walk.schema(schema, "", 0)?;
    Ok(Compiled::new(&schema))
}

/// The schema with every reference replaced by what it names.
fn resolved(root: &Value) -> Result<Value, String> {
    let mut walk = Walk {
        root,
        open: Vec::new(),
        nodes: 0,
        dialect: Dialect::Draft7,
    };
    walk.schema(root, "", 0)
}

/// Which keywords there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Draft7,
    /// As in OpenAPI 3.0, where `nullable` and two keywords about bounds are others.
    OpenApi,
}

/// How often a schema of an OpenAPI document may stand inside of itself.
const MAX_REPEATS: usize = 3;

struct Walk<'s> {
    root: &'s Value,
    /// References that are being resolved.
    open: Vec<&'s str>,
    nodes: usize,
    dialect: Dialect,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Value, place: &str, depth: usize) -> Result<Value, String> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(at(place, &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if self.nodes > MAX_NODES {
            return Err(format!("more than {MAX_NODES} schemas in one"));
        }
        let fields = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(fields) => fields,
            _ => return Err(at(place, "a schema is an object or a boolean")),
        };
        if let Some(reference) = fields.get("$ref") {
            return self.reference(reference, place, depth);
        }
        if let Some(keyword) = UNSUPPORTED.iter().find(|name| fields.contains_key(**name)) {
            return Err(at(place, &format!("{keyword} is not supported")));
        }
        types(fields, place)?;
        pattern(fields, place)?;
        let mut made = Map::new();
        for (keyword, value) in fields {
            let inner = format!("{place}/{keyword}");
            let value = match value {
                Value::Array(items) if LIST.contains(&keyword.as_str()) => {
                    let items = items.iter().enumerate();
                    let items = items.map(|(index, item)| {
                        self.schema(item, &format!("{inner}/{index}"), depth + 1)
                    });
                    Value::Array(items.collect::<Result<_, _>>()?)
                }
                value if SCHEMA.contains(&keyword.as_str()) => {
                    self.schema(value, &inner, depth + 1)?
                }
                Value::Object(map) if MAP.contains(&keyword.as_str()) => {
                    Value::Object(self.map(map, keyword, &inner, depth)?)
                }
                value => value.clone(),
            };
            made.insert(keyword.clone(), value);
        }
        if self.dialect == Dialect::OpenApi {
            translate(&mut made);
        }
        Ok(Value::Object(made))
    }

    fn map(
        &mut self,
        map: &'s Map<String, Value>,
        keyword: &str,
        place: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, String> {
        let mut made = Map::new();
        for (name, value) in map {
            if keyword == "patternProperties" {
                Pattern::parse(name).map_err(|reason| at(place, &reason))?;
            }
            let value = match value {
                Value::Array(_) if keyword == "dependencies" => value.clone(),
                value => self.schema(value, &format!("{place}/{name}"), depth + 1)?,
            };
            made.insert(name.clone(), value);
        }
        Ok(made)
    }

    fn reference(
        &mut self,
        reference: &'s Value,
        place: &str,
        depth: usize,
    ) -> Result<Value, String> {
        let text = reference.as_str().unwrap_or_default();
        let pointer = text.strip_prefix('#');
        let pointer = pointer
            .ok_or_else(|| at(place, &format!("$ref must begin with #, got {reference}")))?;
        let repeats = self.open.iter().filter(|open| **open == text).count();
        if self.dialect == Dialect::OpenApi && repeats >= MAX_REPEATS {
            return Ok(Value::Bool(true));
        }
        if self.dialect == Dialect::Draft7 && repeats > 0 {
            return Err(at(place, &format!("$ref {text} leads back to itself")));
        }
        let target = self.root.pointer(pointer);
        let target = target.ok_or_else(|| at(place, &format!("$ref {text} names nothing")))?;
        self.open.push(text);
        let made = self.schema(target, place, depth + 1);
        self.open.pop();
        made
    }
}

/// Says in keywords of draft 7 what a schema of OpenAPI says in its own.
fn translate(schema: &mut Map<String, Value>) {
    for (bound, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        match schema.get(exclusive) {
            Some(Value::Bool(true)) => {
                if let Some(limit) = schema.shift_remove(bound) {
                    schema.insert(exclusive.to_owned(), limit);
                }
            }
            Some(Value::Bool(false)) => _ = schema.shift_remove(exclusive),
            _ => {}
        }
    }
    if schema.shift_remove("nullable") == Some(Value::Bool(true)) {
        if let Some(Value::String(name)) = schema.get("type") {
            let types = vec![Value::from(name.as_str()), Value::from("null")];
            schema.insert("type".to_owned(), Value::Array(types));
        }
        if let Some(Value::Array(choices)) = schema.get_mut("enum") {
            choices.push(Value::Null);
        }
    }
    // Requests need not bring what only answers have.
    let read_only: Vec<String> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.get("readOnly") == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect();
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| {
            !name
                .as_str()
                .is_some_and(|n| read_only.iter().any(|r| r == n))
        });
        // An empty list means something else to the checker.
        if required.is_empty() {
            schema.shift_remove("required");
        }
    }
}

fn types(fields: &Map<String, Value>, place: &str) -> Result<(), String> {
    let named = match fields.get("type") {
        None => return Ok(()),
        Some(Value::Array(names)) => names.iter().collect(),
        Some(name) => vec![name],
    };
    let known = |name: &&Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
    match named.into_iter().find(|name| !known(name)) {
        Some(name) => Err(at(place, &format!("invalid JSON type: {name}"))),
        None => Ok(()),
    }
}

fn pattern(fields: &Map<String, Value>, place: &str) -> Result<(), String> {
    match fields.get("pattern").and_then(Value::as_str) {
        Some(source) => Pattern::parse(source)
            .map(drop)
            .map_err(|reason| at(place, &reason)),
        None => Ok(()),
    }
}

fn at(place: &str, reason: &str) -> String {
    if place.is_empty() {
        reason.to_owned()
    } else {
        format!("{place}: {reason}")
    }
}

/// Names of properties that a schema speaks of at its own level, in whichever branch.
pub(crate) fn property_names(schema: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect(schema, 0, &mut names);
    names.sort_unstable();
    names.dedup();
    names
}

fn collect(schema: &Value, depth: usize, names: &mut Vec<String>) {
    let Some(fields) = schema.as_object().filter(|_| depth <= MAX_DEPTH) else {
        return;
    };
    for keyword in ["properties", "dependencies"] {
        let map = fields.get(keyword).and_then(Value::as_object);
        for (name, needs) in map.into_iter().flatten() {
            names.push(name.clone());
            if keyword == "dependencies" {
                collect(needs, depth + 1, names);
                texts(needs, names);
            }
        }
    }
    if let Some(required) = fields.get("required") {
        texts(required, names);
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let branches = fields.get(keyword).and_then(Value::as_array);
        for branch in branches.into_iter().flatten() {
            collect(branch, depth + 1, names);
        }
    }
    for keyword in ["not", "if", "then", "else"] {
        if let Some(branch) = fields.get(keyword) {
            collect(branch, depth + 1, names);
        }
    }
}

fn texts(list: &Value, names: &mut Vec<String>) {
    let items = list.as_array().into_iter().flatten();
    names.extend(items.filter_map(Value::as_str).map(str::to_owned));
}

#[cfg(test)]
mod tests;
