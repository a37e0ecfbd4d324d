//! From JSON to messages.
//!
//! As lua-protobuf does: unknown fields are ignored, numbers may be texts (fields of forms and queries
//! are), values of enumerations are names or numbers, and bytes are the text itself.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};
use weir_model::field::number;

/// Deepest nesting of messages.
const MAX_DEPTH: usize = 64;

/// # Errors
/// Which field does not fit its type.
pub(super) fn message(
    kind: &MessageDescriptor,
    fields: &Map<String, Json>,
    depth: usize,
) -> Result<DynamicMessage, String> {
    if depth > MAX_DEPTH {
        return Err(format!(
            "messages are nested deeper than {MAX_DEPTH} levels"
        ));
    }
    let mut message = DynamicMessage::new(kind.clone());
    for field in kind.fields() {
        let given = fields.get(field.name()).filter(|given| !given.is_null());
        let Some(given) = given else { continue };
        let value = value(&field, given, depth)
            .map_err(|reason| format!("field '{}': {reason}", field.name()))?;
        message
            .try_set_field(&field, value)
            .map_err(|error| error.to_string())?;
    }
    Ok(message)
}

fn value(field: &FieldDescriptor, given: &Json, depth: usize) -> Result<Value, String> {
    if field.is_map() {
        return map(field, given, depth);
    }
    if !field.is_list() {
        return single(&field.kind(), given, depth);
    }
    let items = match given {
        Json::Array(items) => items.iter().collect(),
        // Queries give one value where there could be several.
        Json::Object(_) => return Err("expected a list, got an object".to_owned()),
        one => vec![one],
    };
    let items = items.into_iter();
    let items = items.map(|item| single(&field.kind(), item, depth));
    items.collect::<Result<_, _>>().map(Value::List)
}

fn map(field: &FieldDescriptor, given: &Json, depth: usize) -> Result<Value, String> {
    let Json::Object(entries) = given else {
        return Err(format!("expected an object, got {}", kind_of(given)));
    };
    let Kind::Message(entry) = field.kind() else {
        return Err("it is no map".to_owned());
    };
    let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
    let mut made = std::collections::HashMap::new();
    for (key, value) in entries {
        let key = single(&keys.kind(), &Json::String(key.clone()), depth)?;
        let key = match key {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            _ => return Err("it has keys of no type that keys may have".to_owned()),
        };
        made.insert(key, single(&values.kind(), value, depth)?);
    }
    Ok(Value::Map(made))
}

fn single(kind: &Kind, given: &Json, depth: usize) -> Result<Value, String> {
    let misfit = || format!("expected {kind:?}, got {}", kind_of(given));
    Ok(match kind {
        Kind::Message(kind) => match given {
            Json::Object(fields) => Value::Message(message(kind, fields, depth + 1)?),
            _ => return Err(format!("expected an object, got {}", kind_of(given))),
        },
        Kind::Enum(kind) => {
            let named = given.as_str().and_then(|name| kind.get_value_by_name(name));
            let number = match named {
                Some(value) => Some(value.number()),
                None => integer(given).and_then(|number| i32::try_from(number).ok()),
            };
            Value::EnumNumber(
                number.ok_or_else(|| {
                    format!("expected a value of {}, got {given}", kind.full_name())
                })?,
            )
        }
        Kind::String => Value::String(text(given).ok_or_else(misfit)?),
        Kind::Bytes => Value::Bytes(text(given).ok_or_else(misfit)?.into()),
        Kind::Bool => Value::Bool(match given {
            Json::Bool(value) => *value,
            Json::String(text) if text == "true" || text == "1" => true,
            Json::String(text) if text == "false" || text == "0" => false,
            _ => return Err(misfit()),
        }),
        Kind::Double => Value::F64(float(given).ok_or_else(misfit)?),
        Kind::Float => Value::F32(float(given).ok_or_else(misfit)? as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            let number = integer(given).and_then(|number| i32::try_from(number).ok());
            Value::I32(number.ok_or_else(misfit)?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            let number = integer(given).and_then(|number| i64::try_from(number).ok());
            Value::I64(number.ok_or_else(misfit)?)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            let number = integer(given).and_then(|number| u32::try_from(number).ok());
            Value::U32(number.ok_or_else(misfit)?)
        }
        Kind::Uint64 | Kind::Fixed64 => {
            let number = integer(given).and_then(|number| u64::try_from(number).ok());
            Value::U64(number.ok_or_else(misfit)?)
        }
    })
}

fn text(given: &Json) -> Option<String> {
    match given {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn float(given: &Json) -> Option<f64> {
    match given {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => number::parse(text),
        _ => None,
    }
}

/// A whole number: `7`, `"7"`, `"#7"`, `"#0x7"`.
fn integer(given: &Json) -> Option<i128> {
    match given {
        Json::Number(number) => {
            let whole = number.as_i64().map(i128::from);
            let whole = whole.or_else(|| number.as_u64().map(i128::from));
            whole.or_else(|| {
                let float = number.as_f64()?;
                (float.fract() == 0.0 && float.abs() < 1e19).then_some(float as i128)
            })
        }
        Json::String(text) => {
            let text = text.strip_prefix('#').unwrap_or(text);
            let (negative, digits) = match text.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, text),
            };
            let hex = digits
                .strip_prefix("0x")
                .or_else(|| digits.strip_prefix("0X"));
            let number = match hex {
                Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok()?,
                Some(_) => return None,
                None if digits.starts_with('+') => return None,
                None => digits.parse().ok()?,
            };
            let number = i128::from(number);
            Some(if negative { -number } else { number })
        }
        _ => None,
    }
}

fn kind_of(given: &Json) -> &'static str {
    match given {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
