//! A parsed value that remembers the line of every part.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// One value of the input.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Line, from 1; 0 when it is not known.
    pub line: u32,
    /// What stands there.
    pub shape: Shape,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Lines of a value's parts, shaped like the value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    line: u32,
    parts: Parts,
}

#[derive(Debug, Clone, Default)]
enum Parts {
    #[default]
    None,
    List(Vec<Marks>),
    Map(BTreeMap<String, Marks>),
}

impl Node {
    /// The value, and where its parts stand.
    pub(crate) fn into_parts(self) -> (Value, Marks) {
        let line = self.line;
        let (value, parts) = match self.shape {
            Shape::Scalar(value) => (value, Parts::None),
            Shape::List(items) => {
                let (values, marks) = items.into_iter().map(Node::into_parts).unzip();
                (Value::Array(values), Parts::List(marks))
            }
            Shape::Map(fields) => {
                let mut map = Map::new();
                let mut marks = BTreeMap::new();
                for (name, node) in fields {
                    let (value, mark) = node.into_parts();
                    marks.insert(name.clone(), mark);
                    map.insert(name, value);
                }
                (Value::Object(map), Parts::Map(marks))
            }
        };
        (value, Marks { line, parts })
    }

    /// Word for what it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.shape {
            Shape::Scalar(Value::Null) => "nothing",
            Shape::Scalar(Value::Bool(_)) => "a boolean",
            Shape::Scalar(Value::Number(_)) => "a number",
            Shape::Scalar(_) => "a string",
            Shape::List(_) => "a list",
            Shape::Map(_) => "an object",
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        let shape = match value {
            Value::Array(items) => Shape::List(items.into_iter().map(Node::from).collect()),
            Value::Object(map) => Shape::Map(
                map.into_iter()
                    .map(|(name, value)| (name, Node::from(value)))
                    .collect(),
            ),
            scalar => Shape::Scalar(scalar),
        };
        Self { line: 0, shape }
    }
}

impl Marks {
    /// The line of the field at `path`, or of the deepest part of it that is there.
    pub(crate) fn line(&self, value: &Value, path: &str) -> Option<u32> {
        let mut marks = self;
        let mut value = value;
        let mut rest = path;
        let mut line = self.line;
        while let Some((next, deeper, after)) = marks.step(value, rest) {
            (marks, value, rest) = (next, deeper, after);
            if marks.line != 0 {
                line = marks.line;
            }
        }
        (line != 0).then_some(line)
    }

    /// Follows one part of a path. Names may have dots in them (`nodes.127.0.0.1:80`,
    /// `plugins.a.b`), so the longest name that fits is taken.
    fn step<'a>(
        &'a self,
        value: &'a Value,
        path: &'a str,
    ) -> Option<(&'a Marks, &'a Value, &'a str)> {
        let path = path.strip_prefix('.').unwrap_or(path);
        match (&self.parts, value) {
            (Parts::List(marks), Value::Array(items)) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                let index: usize = index.parse().ok()?;
                Some((marks.get(index)?, items.get(index)?, rest))
            }
            (Parts::Map(marks), Value::Object(map)) => {
                let fits = |name: &&String| {
                    path.strip_prefix(name.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let name = marks.keys().filter(fits).max_by_key(|name| name.len())?;
                let rest = path.get(name.len()..)?;
                Some((marks.get(name)?, map.get(name)?, rest))
            }
            _ => None,
        }
    }
}

/// Refuses numbers that a float would change.
pub(crate) fn float<E: Error>(value: f64) -> Result<Number, E> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value.abs() >= LIMIT {
        return Err(E::custom(format!(
            "number {value:e} does not fit 64 bits: it would not be kept exactly"
        )));
    }
    Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Shape>::deserialize(deserializer)?;
        Ok(Node {
            line: u32::try_from(spanned.referenced.line()).unwrap_or(0),
            shape: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Shape, E> {
        float(value).map(|number| Shape::Scalar(Value::Number(number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::String(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Shape, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        Shape::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry::<String, Node>()? {
            fields.push(field);
        }
        Ok(Shape::Map(fields))
    }
}
