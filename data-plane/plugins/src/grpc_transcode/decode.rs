//! From messages to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Syntax, Value};
use serde_json::{Map, Number, Value as Json};

use super::config::PbOption;

/// How messages are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    enums_by_name: bool,
    int64: Int64,
    defaults: Defaults,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Int64 {
    Number,
    Text,
    Hex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defaults {
    /// Of proto3 only.
    Auto,
    All,
    None,
}

impl Options {
    /// Each option changes one setting; the last counts.
    pub(super) fn of(options: &[PbOption]) -> Self {
        let mut made = Self {
            enums_by_name: true,
            int64: Int64::Number,
            defaults: Defaults::Auto,
        };
        for option in options {
            match option {
                PbOption::EnumAsName => made.enums_by_name = true,
                PbOption::EnumAsValue => made.enums_by_name = false,
                PbOption::Int64AsNumber => made.int64 = Int64::Number,
                PbOption::Int64AsString => made.int64 = Int64::Text,
                PbOption::Int64AsHexstring => made.int64 = Int64::Hex,
                PbOption::AutoDefaultValues => made.defaults = Defaults::Auto,
                PbOption::UseDefaultValues => made.defaults = Defaults::All,
                PbOption::NoDefaultValues | PbOption::UseDefaultMetatable => {
                    made.defaults = Defaults::None;
                }
                PbOption::EnableHooks | PbOption::DisableHooks => {}
            }
        }
        made
    }

    /// A message as JSON, its fields by their names in the definition.
    pub(super) fn message(self, message: &DynamicMessage) -> Json {
        let mut fields = Map::new();
        for field in message.descriptor().fields() {
            if message.has_field(&field) || self.has_default(&field) {
                let value = message.get_field(&field);
                fields.insert(field.name().to_owned(), self.value(&field, &value));
            }
        }
        Json::Object(fields)
    }

    /// Whether a field that is not set is written. Members of a `oneof` are not, and messages.
    fn has_default(self, field: &FieldDescriptor) -> bool {
        let asked = match self.defaults {
            Defaults::None => false,
            Defaults::All => true,
            Defaults::Auto => field.parent_file().syntax() == Syntax::Proto3,
        };
        let message = matches!(field.kind(), Kind::Message(_));
        let several = field.is_list() || field.is_map();
        asked && field.containing_oneof().is_none() && (several || !message)
    }

    fn value(self, field: &FieldDescriptor, value: &Value) -> Json {
        match value {
            Value::List(items) => {
                let items = items.iter().map(|item| self.single(&field.kind(), item));
                Json::Array(items.collect())
            }
            Value::Map(entries) => {
                let Kind::Message(entry) = field.kind() else {
                    return Json::Null;
                };
                let kind = entry.map_entry_value_field().kind();
                let mut fields: Vec<(String, Json)> = entries
                    .iter()
                    .map(|(key, value)| (name_of(key), self.single(&kind, value)))
                    .collect();
                // The map has no order of its own; the same message is always the same text.
                fields.sort_unstable_by(|left, right| left.0.cmp(&right.0));
                Json::Object(fields.into_iter().collect())
            }
            one => self.single(&field.kind(), one),
        }
    }

    fn single(self, kind: &Kind, value: &Value) -> Json {
        match value {
            Value::Bool(value) => Json::Bool(*value),
            Value::I32(value) => Json::from(*value),
            Value::U32(value) => Json::from(*value),
            // With a sign too, all that fit 32 bits without one are numbers.
            Value::I64(value) => {
                let small = i64::from(i32::MIN)..=i64::from(u32::MAX);
                self.int64(i128::from(*value), small.contains(value))
            }
            Value::U64(value) => self.int64(i128::from(*value), u32::try_from(*value).is_ok()),
            // JSON has no infinity: such a number is null.
            Value::F32(value) => {
                let exact = value
                    .to_string()
                    .parse()
                    .unwrap_or_else(|_| f64::from(*value));
                Number::from_f64(exact).map_or(Json::Null, Json::Number)
            }
            Value::F64(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::String(text) => Json::from(text.as_str()),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Json::from(text),
                Err(_) => Json::from(STANDARD.encode(bytes)),
            },
            Value::EnumNumber(number) => {
                let named = match kind {
                    Kind::Enum(kind) if self.enums_by_name => kind.get_value(*number),
                    _ => None,
                };
                named.map_or_else(|| Json::from(*number), |value| Json::from(value.name()))
            }
            Value::Message(message) => self.message(message),
            // These stand in fields only.
            Value::List(_) | Value::Map(_) => Json::Null,
        }
    }

    /// An integer of 64 bits; `small` says that 32 are enough.
    fn int64(self, value: i128, small: bool) -> Json {
        let number = || match i64::try_from(value) {
            Ok(value) => Json::from(value),
            Err(_) => u64::try_from(value).map_or(Json::Null, Json::from),
        };
        let sign = if value < 0 { "-" } else { "" };
        let size = value.unsigned_abs();
        match self.int64 {
            _ if small => number(),
            Int64::Number => number(),
            Int64::Text => Json::from(format!("#{sign}{size}")),
            Int64::Hex => Json::from(format!("#{sign}0x{size:X}")),
        }
    }
}

fn name_of(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
