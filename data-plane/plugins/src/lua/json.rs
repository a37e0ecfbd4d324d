//! JSON as `cjson` reads and writes it.

use std::collections::BTreeMap;

use mlua::{Lua, LuaString, Table, Value};
use serde_json::{Map, Number};

/// How deep a value may be; texts are read as deep.
const DEEPEST: usize = 127;

/// Metatable of tables that are lists even when they are empty.
struct ListMark(Table);

pub(super) fn add(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let mark = lua.create_table()?;
    native.set("array_mt", &mark)?;
    native.set("null", Value::NULL)?;
    lua.set_app_data(ListMark(mark));
    let encode = lua.create_function(|lua, value: Value| {
        Ok(match read(lua, &value, 0) {
            Ok(value) => (Some(value.to_string()), None),
            Err(problem) => (None, Some(problem)),
        })
    })?;
    native.set("json_encode", encode)?;
    let decode = lua.create_function(|lua, text: Option<LuaString>| {
        let Some(text) = text else {
            return Ok((Value::Nil, Some("expected a text, got nothing".to_owned())));
        };
        Ok(
            match serde_json::from_slice::<serde_json::Value>(&text.as_bytes()) {
                Ok(value) => (write(lua, &value)?, None),
                Err(error) => (Value::Nil, Some(error.to_string())),
            },
        )
    })?;
    native.set("json_decode", decode)
}

/// A value of Lua as JSON. Names are ordered: the same table gives the same text.
///
/// # Errors
/// What cannot be written.
pub(super) fn read(lua: &Lua, value: &Value, depth: usize) -> Result<serde_json::Value, String> {
    use serde_json::Value as Json;
    if depth > DEEPEST {
        return Err("Cannot serialise, excessive depth".into());
    }
    Ok(match value {
        Value::Nil => Json::Null,
        value if *value == Value::NULL => Json::Null,
        Value::Boolean(flag) => Json::Bool(*flag),
        Value::Integer(number) => Json::from(*number),
        Value::Number(number) => self::number(*number)?,
        Value::String(text) => Json::String(text.to_string_lossy()),
        Value::Table(table) => self::table(lua, table, depth)?,
        other => {
            let kind = other.type_name();
            return Err(format!("Cannot serialise {kind}: type not supported"));
        }
    })
}

fn number(number: f64) -> Result<serde_json::Value, String> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        // It is whole and small.
        return Ok(serde_json::Value::from(number as i64));
    }
    let number = Number::from_f64(number);
    let number = number.ok_or("Cannot serialise number: must not be NaN or Infinity")?;
    Ok(serde_json::Value::Number(number))
}

fn table(lua: &Lua, table: &Table, depth: usize) -> Result<serde_json::Value, String> {
    let marked = table.metatable().is_some_and(|own| {
        let mark = lua.app_data_ref::<ListMark>();
        mark.is_some_and(|mark| mark.0 == own)
    });
    let (mut items, mut fields) = (BTreeMap::new(), BTreeMap::new());
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let value = read(lua, &value, depth + 1)?;
        match key {
            Value::Integer(at) if at > 0 => {
                items.insert(at, value);
            }
            Value::Integer(at) => {
                fields.insert(at.to_string(), value);
            }
            Value::Number(number) => {
                fields.insert(number.to_string(), value);
            }
            Value::String(name) => {
                fields.insert(name.to_string_lossy(), value);
            }
            other => {
                let kind = other.type_name();
                return Err(format!(
                    "Cannot serialise {kind}: table key must be a number or string"
                ));
            }
        }
    }
    if !fields.is_empty() || (items.is_empty() && !marked) {
        let items = items.into_iter().map(|(at, value)| (at.to_string(), value));
        return Ok(fields
            .into_iter()
            .chain(items)
            .collect::<Map<_, _>>()
            .into());
    }
    let last = items.last_key_value().map_or(0, |(at, _)| *at);
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    if last > 10 && last / 2 > items.len() {
        return Err("Cannot serialise table: excessively sparse array".into());
    }
    let mut list = vec![serde_json::Value::Null; last];
    for (at, value) in items {
        let place = usize::try_from(at - 1).ok().and_then(|at| list.get_mut(at));
        if let Some(place) = place {
            *place = value;
        }
    }
    Ok(list.into())
}

/// A value of JSON as one of Lua.
///
/// # Errors
/// There is no memory.
pub(super) fn write(lua: &Lua, value: &serde_json::Value) -> mlua::Result<Value> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => Value::NULL,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (at, item) in items.iter().enumerate() {
                table.raw_set(at + 1, write(lua, item)?)?;
            }
            let mark = lua.app_data_ref::<ListMark>().map(|mark| mark.0.clone());
            table.set_metatable(mark)?;
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, item) in fields {
                table.raw_set(name.as_str(), write(lua, item)?)?;
            }
            Value::Table(table)
        }
    })
}
