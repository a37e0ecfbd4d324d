//! What the names in a template stand for.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use weir_model::field::number;

/// Fields of an object, in their order.
pub(crate) type Fields = IndexMap<Box<str>, Value>;

/// A value. Lists and objects are shared: to pass one on costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) enum Value {
    /// Nothing: what is not there.
    #[default]
    Nil,
    /// `null` of JSON, which is something in Lua.
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// Bytes, as texts of Lua are.
    Text(Arc<[u8]>),
    List(Arc<Vec<Value>>),
    Object(Arc<Fields>),
    /// `_multipart`.
    Multipart,
}

impl Value {
    pub(crate) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    pub(crate) fn object(fields: Fields) -> Self {
        Self::Object(Arc::new(fields))
    }

    pub(crate) fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }

    /// A number, as an integer when it is one.
    pub(super) fn number(number: f64) -> Self {
        // Doubles hold integers exactly up to 2^53.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            Self::Integer(number as i64)
        } else {
            Self::Float(number)
        }
    }

    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Nil | Self::Bool(false))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Integer(_) | Self::Float(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) | Self::Object(_) | Self::Multipart => "table",
        }
    }

    /// As operators on numbers see it: texts that are numbers count.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => number::parse(std::str::from_utf8(text).ok()?),
            _ => None,
        }
    }

    /// As a text, for what has one.
    pub(super) fn as_text(&self) -> Option<Arc<[u8]>> {
        match self {
            Self::Text(text) => Some(Arc::clone(text)),
            Self::Integer(number) => Some(Arc::from(number.to_string().into_bytes())),
            Self::Float(number) => Some(Arc::from(number::print_f64(*number).into_bytes())),
            _ => None,
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil)
            | (Self::Null, Self::Null)
            | (Self::Multipart, Self::Multipart) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Integer(left), Self::Integer(right)) => left == right,
            (Self::Integer(_) | Self::Float(_), Self::Integer(_) | Self::Float(_)) => {
                self.as_number() == other.as_number()
            }
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::List(left), Self::List(right)) => Arc::ptr_eq(left, right),
            (Self::Object(left), Self::Object(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }

    /// What stands under a name or at a place, counted from 1.
    ///
    /// # Errors
    /// It has no inside; `name` says what it is called.
    pub(super) fn at(&self, key: &Self, name: impl Fn() -> String) -> Result<Self, String> {
        let found = match (self, key) {
            (Self::Object(fields), Self::Text(key)) => {
                let key = std::str::from_utf8(key).ok();
                key.and_then(|key| fields.get(key))
            }
            (Self::Object(fields), Self::Integer(place)) => fields.get(&*place.to_string()),
            (Self::List(items), Self::Integer(place)) => {
                let place = usize::try_from(*place).ok().and_then(|p| p.checked_sub(1));
                place.and_then(|place| items.get(place))
            }
            // Texts have an inside in Lua: the module string. There are no fields in it.
            (Self::List(_) | Self::Object(_) | Self::Text(_), _) => None,
            (other, _) => {
                return Err(format!(
                    "attempt to index a {} value{}",
                    other.type_name(),
                    name()
                ));
            }
        };
        Ok(found.cloned().unwrap_or_default())
    }

    /// `#value`.
    ///
    /// # Errors
    /// It has no length.
    pub(super) fn length(&self) -> Result<usize, String> {
        match self {
            Self::Text(text) => Ok(text.len()),
            Self::List(items) => Ok(items.len()),
            Self::Object(fields) => {
                let there = |place: &usize| fields.contains_key(&*place.to_string());
                Ok((1..=fields.len()).take_while(there).count())
            }
            other => Err(format!(
                "attempt to get length of a {} value",
                other.type_name()
            )),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Integer(integer),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(items) => {
                Self::list(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(fields) => {
                let fields = fields.into_iter();
                Self::object(
                    fields
                        .map(|(name, value)| (name.into_boxed_str(), Self::from(value)))
                        .collect(),
                )
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Fields::new();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            fields.insert(name.into_boxed_str(), value);
        }
        Ok(Value::object(fields))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil | Self::Null | Self::Multipart => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(&String::from_utf8_lossy(text)),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Object(fields) => serializer.collect_map(fields.iter()),
        }
    }
}
