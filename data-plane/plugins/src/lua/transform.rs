//! An answer as functions get it, and what they return.

use http::{HeaderName, HeaderValue, StatusCode};
use mlua::{Error, Lua, LuaString, MultiValue, Value};
use weir_plugin_api::{Body, Response};

use super::answer::plain;
use super::codes::add_value;
use super::json;
use super::request::{header_name, header_values};

type Arguments = (u16, Value, Value);

/// Status, body (a table when it is JSON) and headers (a table, or nothing).
///
/// # Errors
/// There is no memory.
pub(super) fn arguments(lua: &Lua, response: &Response) -> mlua::Result<Arguments> {
    let body = match &response.body {
        Body::Page => Value::Nil,
        Body::Json(value) => json::write(lua, value)?,
        Body::Text(text) if text.is_empty() => Value::Nil,
        Body::Text(text) => Value::String(lua.create_string(text)?),
    };
    let headers = if response.headers.is_empty() {
        Value::Nil
    } else {
        let table = lua.create_table()?;
        for (name, value) in &response.headers {
            let value = Value::String(lua.create_string(value.as_bytes())?);
            add_value(lua, &table, name.as_str().as_bytes(), value)?;
        }
        Value::Table(table)
    };
    Ok((response.status.as_u16(), body, headers))
}

/// The answer that a function returned: status, body and headers. Without headers those of `before` stay.
///
/// # Errors
/// It is none.
pub(super) fn response(
    lua: &Lua,
    returned: MultiValue,
    before: &Response,
) -> mlua::Result<Response> {
    let mut returned = returned.into_iter();
    let (code, body, headers) = (returned.next(), returned.next(), returned.next());
    let status = match code {
        Some(Value::Integer(code)) => u16::try_from(code).ok(),
        _ => None,
    };
    let status = status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|status| !status.is_informational())
        .ok_or_else(|| Error::runtime("a function returns a status first"))?;
    let body = match body {
        None | Some(Value::Nil) => Body::Page,
        Some(Value::String(text)) => Body::Text(text.as_bytes().to_vec().into()),
        Some(value @ Value::Table(_)) => {
            Body::Json(json::read(lua, &value, 0).map_err(Error::runtime)?)
        }
        Some(other) => Body::Text(plain(&other)?.into()),
    };
    let headers = match headers {
        Some(Value::Table(table)) => {
            let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
            for pair in table.pairs::<LuaString, Value>() {
                let (name, value) = pair?;
                let name = header_name(&name)?;
                for value in header_values(&value)? {
                    headers.push((name.clone(), value));
                }
            }
            headers
        }
        _ => before.headers.clone(),
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}
