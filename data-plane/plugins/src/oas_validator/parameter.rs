//! Parameters: where they stand, how they are written, what fits them.

use serde_json::{Map, Value};
use weir_model::field::number;
use weir_model::schema::Compiled;

use crate::embedded_schema;
use crate::json;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

/// One parameter of an operation.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) required: bool,
    /// Whether several values stand in one text, with this between them.
    separator: Option<char>,
    /// Whether fields of an object stand as `name[field]`.
    pub(super) deep: bool,
    /// Whether the text is JSON.
    is_json: bool,
    kind: Kind,
    schema: Option<Compiled>,
}

/// What the texts of a parameter become before they are checked.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
    List(Box<Kind>),
    Object(Map<String, Value>),
    /// Several types, or none said: whichever the text looks like.
    Any,
}

impl Parameter {
    /// Reads a parameter; `None` for the fields that are no parameters by the standard.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(root: &Value, value: &Value) -> Result<Option<Self>, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let name = text("name").ok_or("parameters: expected a name")?;
        let place = match text("in") {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            Some("cookie") => Place::Cookie,
            _ => {
                return Err(format!(
                    "parameter {name}: expected in: path, query, header or cookie"
                ));
            }
        };
        let reserved = ["accept", "content-type", "authorization"];
        if place == Place::Header
            && reserved
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        {
            return Ok(None);
        }
        let content = value.get("content").and_then(Value::as_object);
        let content = content.and_then(|content| content.iter().next());
        let schema = match content {
            Some((_, content)) => content.get("schema"),
            None => value.get("schema"),
        };
        let compiled = schema.map(|schema| embedded_schema::compile_openapi(root, schema));
        let compiled = compiled
            .transpose()
            .map_err(|reason| format!("parameter {name}: {reason}"))?;
        let in_query = matches!(place, Place::Query | Place::Cookie);
        let style = text("style").unwrap_or(if in_query { "form" } else { "simple" });
        let explode = value.get("explode").and_then(Value::as_bool);
        let explode = explode.unwrap_or(style == "form");
        Ok(Some(Self {
            name: name.to_owned(),
            place,
            required: place == Place::Path || value.get("required") == Some(&Value::Bool(true)),
            separator: match (style, explode) {
                ("form", true) => None,
                ("spaceDelimited", false) => Some(' '),
                ("pipeDelimited", false) => Some('|'),
                ("spaceDelimited" | "pipeDelimited", true) => None,
                _ => Some(','),
            },
            deep: style == "deepObject",
            is_json: content.is_some_and(|(kind, _)| kind.contains("json")),
            kind: Kind::of(root, schema.unwrap_or(&Value::Null), 0),
            schema: compiled,
        }))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.place == other.place && self.name == other.name
    }

    /// Checks the texts that stand for it, at least one.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn check(&self, texts: &[String]) -> Result<(), String> {
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let mut value = if self.is_json {
            let text = texts.first().map_or("", String::as_str);
            json::parse(text.as_bytes()).map_err(|error| error.to_string())?
        } else {
            self.value(texts)
        };
        schema.check(&mut value).map_err(|problem| problem.message)
    }

    /// Checks an object whose fields stood by themselves.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_fields(&self, fields: &[(String, String)]) -> Result<(), String> {
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let empty = Map::new();
        let properties = match &self.kind {
            Kind::Object(properties) => properties,
            _ => &empty,
        };
        let fields = fields.iter().map(|(name, text)| {
            let kind = properties.get(name).unwrap_or(&Value::Null);
            (name.clone(), Kind::of(&Value::Null, kind, 0).cast(text))
        });
        let mut value = Value::Object(fields.collect());
        schema.check(&mut value).map_err(|problem| problem.message)
    }

    fn value(&self, texts: &[String]) -> Value {
        let first = texts.first().map_or("", String::as_str);
        match (&self.kind, self.separator) {
            (Kind::List(item), Some(separator)) => {
                Value::Array(first.split(separator).map(|text| item.cast(text)).collect())
            }
            (Kind::List(item), None) => {
                Value::Array(texts.iter().map(|text| item.cast(text)).collect())
            }
            // `a,1,b,2`, or `a=1,b=2`.
            (Kind::Object(properties), Some(separator)) => {
                let mut pieces = first.split(separator);
                let mut fields = Map::new();
                while let Some(piece) = pieces.next() {
                    let (name, text) = match piece.split_once('=') {
                        Some(pair) => pair,
                        None => (piece, pieces.next().unwrap_or_default()),
                    };
                    let kind = properties.get(name).unwrap_or(&Value::Null);
                    let value = Kind::of(&Value::Null, kind, 0).cast(text);
                    fields.insert(name.to_owned(), value);
                }
                Value::Object(fields)
            }
            (kind, _) => kind.cast(first),
        }
    }
}

impl Kind {
    /// What a schema says about the type. References inside are followed a few steps.
    pub(super) fn of(root: &Value, schema: &Value, depth: usize) -> Self {
        if depth > 8 {
            return Self::Any;
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let found = reference.strip_prefix('#').and_then(|at| root.pointer(at));
            return found.map_or(Self::Any, |found| Self::of(root, found, depth + 1));
        }
        let named = match schema.get("type") {
            Some(Value::String(name)) => Some(name.as_str()),
            Some(Value::Array(names)) => {
                let mut names = names.iter().filter_map(Value::as_str);
                let first = names.find(|name| *name != "null");
                first.filter(|_| names.all(|name| name == "null"))
            }
            _ => None,
        };
        match named {
            Some("string") => Self::Text,
            Some("integer" | "number") => Self::Number,
            Some("boolean") => Self::Boolean,
            Some("array") => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                Self::List(Box::new(Self::of(root, items, depth + 1)))
            }
            Some("object") => {
                let properties = schema.get("properties").and_then(Value::as_object);
                Self::Object(properties.cloned().unwrap_or_default())
            }
            _ => Self::Any,
        }
    }

    /// The value of a text; the text itself when it is no such value, which the schema refuses then.
    pub(super) fn cast(&self, text: &str) -> Value {
        let plain = || Value::String(text.to_owned());
        match self {
            Self::Number => number_of(text).unwrap_or_else(plain),
            Self::Boolean => boolean(text).unwrap_or_else(plain),
            Self::List(item) => Value::Array(vec![item.cast(text)]),
            Self::Any => number_of(text)
                .or_else(|| boolean(text))
                .unwrap_or_else(plain),
            Self::Text | Self::Object(_) => plain(),
        }
    }
}

fn boolean(text: &str) -> Option<Value> {
    text.parse().ok().map(Value::Bool)
}

fn number_of(text: &str) -> Option<Value> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Value::from(integer));
    }
    let float = number::parse(text).filter(|_| !text.starts_with(char::is_whitespace))?;
    serde_json::Number::from_f64(float).map(Value::Number)
}
