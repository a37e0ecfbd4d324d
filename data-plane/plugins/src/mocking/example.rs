//! Made-up values that fit a schema.

use serde_json::{Map, Value};

/// Levels of a schema.
const DEEPEST: usize = 32;
/// Values of one body.
const MOST: usize = 10_000;
const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What values are made from: the part of a JSON schema that matters here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Always this.
    Example(Value),
    Text,
    Number,
    Integer,
    Boolean,
    /// One to three of them.
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
}

impl Shape {
    /// Reads a schema; one without `type` is that of an object.
    ///
    /// # Errors
    /// A type that is not known, or more levels than are looked at.
    pub(super) fn parse(schema: &Value) -> Result<Self, String> {
        Self::at(schema, "response_schema", 0)
    }

    fn at(schema: &Value, place: &str, depth: usize) -> Result<Self, String> {
        if depth > DEEPEST {
            return Err(format!("response_schema is deeper than {DEEPEST} levels"));
        }
        let kind = schema.get("type").and_then(Value::as_str);
        let kind = kind.unwrap_or("object").to_ascii_lowercase();
        let example = schema.get("example");
        if let Some(example) = example.and_then(|example| fitting(&kind, example)) {
            return Ok(Shape::Example(example));
        }
        Ok(match kind.as_str() {
            "string" => Shape::Text,
            "number" => Shape::Number,
            "integer" => Shape::Integer,
            "boolean" => Shape::Boolean,
            "array" => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                Shape::List(Box::new(Self::at(
                    items,
                    &format!("{place}.items"),
                    depth + 1,
                )?))
            }
            "object" => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let properties = properties.into_iter().flatten().map(|(name, schema)| {
                    let shape = Self::at(schema, &format!("{place}.{name}"), depth + 1)?;
                    Ok((name.clone(), shape))
                });
                Shape::Object(properties.collect::<Result<_, String>>()?)
            }
            other => {
                return Err(format!(
                    "{place}.type must be string, number, integer, boolean, array or object, got {other:?}"
                ));
            }
        })
    }

    /// Makes a value up; `random` gives 64 random bits.
    pub(super) fn make(&self, random: &dyn Fn() -> u64) -> Value {
        Maker { random, left: MOST }.make(self)
    }

    /// Names of properties, at any depth, examples included.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut open = vec![self];
        let mut examples = Vec::new();
        while let Some(shape) = open.pop() {
            match shape {
                Shape::Object(properties) => {
                    names.extend(properties.iter().map(|(name, _)| name.as_str()));
                    open.extend(properties.iter().map(|(_, shape)| shape));
                }
                Shape::List(items) => open.push(items),
                Shape::Example(value) => examples.push(value),
                Shape::Text | Shape::Number | Shape::Integer | Shape::Boolean => {}
            }
        }
        while let Some(value) = examples.pop() {
            match value {
                Value::Object(fields) => {
                    names.extend(fields.keys().map(String::as_str));
                    examples.extend(fields.values());
                }
                Value::Array(items) => examples.extend(items),
                _ => {}
            }
        }
        names
    }
}

/// An example, when it is of this kind.
fn fitting(kind: &str, example: &Value) -> Option<Value> {
    let fits = match kind {
        "string" => example.is_string(),
        "number" => example.is_number(),
        "integer" if example.is_f64() => {
            // As APISIX: the integer below.
            let below = example.as_f64()?.floor();
            return Some(Value::from(below as i64));
        }
        "integer" => example.is_number(),
        "boolean" => example.is_boolean(),
        "array" => example.is_array(),
        _ => example.is_object(),
    };
    fits.then(|| example.clone())
}

struct Maker<'a> {
    random: &'a dyn Fn() -> u64,
    /// Values that may still be made; lists have one item when there are none left.
    left: usize,
}

impl Maker<'_> {
    fn make(&mut self, shape: &Shape) -> Value {
        self.left = self.left.saturating_sub(1);
        match shape {
            Shape::Example(value) => value.clone(),
            Shape::Text => {
                let letters = (0..=self.below(10)).map(|_| {
                    let at = self.below(LETTERS.len() as u64) as usize;
                    LETTERS.get(at).map_or('a', |letter| char::from(*letter))
                });
                Value::String(letters.collect())
            }
            // Four digits before the point, as many behind it.
            Shape::Number => Value::from(self.below(100_000_000) as f64 / 10_000.0),
            Shape::Integer => Value::from(self.below(10_000) + 1),
            Shape::Boolean => Value::from(self.below(2) == 1),
            Shape::List(items) => {
                let more = if self.left == 0 { 0 } else { self.below(3) };
                Value::Array((0..=more).map(|_| self.make(items)).collect())
            }
            Shape::Object(properties) => {
                let fields = properties.iter();
                let fields = fields.map(|(name, shape)| (name.clone(), self.make(shape)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    fn below(&self, bound: u64) -> u64 {
        (self.random)() % bound
    }
}

/// A value as XML below one element.
pub(super) fn to_xml(element: &str, value: &Value) -> String {
    let mut text = String::new();
    write_xml(element, value, &mut text);
    text
}

fn write_xml(element: &str, value: &Value, text: &mut String) {
    if let Value::Array(items) = value {
        for item in items {
            write_xml(element, item, text);
        }
        return;
    }
    text.push_str(&format!("<{element}>"));
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                write_xml(name, value, text);
            }
        }
        Value::String(content) => {
            for character in content.chars() {
                match character {
                    '<' => text.push_str("&lt;"),
                    '>' => text.push_str("&gt;"),
                    '&' => text.push_str("&amp;"),
                    other => text.push(other),
                }
            }
        }
        Value::Null => {}
        other => text.push_str(&other.to_string()),
    }
    text.push_str(&format!("</{element}>"));
}

/// Whether a text may be the name of an element: the ASCII part of XML's rule.
pub(super) fn is_element_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || "_-.".contains(other))
}
