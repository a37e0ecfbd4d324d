//! What functions ask about the request, and change in it.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mlua::{Error, Lua, LuaString, Table, Value};
use weir_model::field::variable::{Var, Variable, Variables};
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{Phase, WholeBody};

use super::call::{self, Call, MAX_BODY, with};
use super::codes::add_value;
use super::json;
use crate::header_edit::header_bytes;

pub(super) fn add(lua: &Lua, native: &Table) -> mlua::Result<()> {
    head(lua, native)?;
    body(lua, native)?;
    variables(lua, native)
}

/// A header name; `_` stands for `-`, as in nginx.
pub(super) fn header_name(name: &LuaString) -> mlua::Result<HeaderName> {
    let text = name.to_string_lossy().replace('_', "-");
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Error::runtime(format!("no name of a header: {text:?}")))
}

/// The values of a header: none, one, or those of a list.
pub(super) fn header_values(value: &Value) -> mlua::Result<Vec<HeaderValue>> {
    let one = |value: &Value| {
        let bytes = match value {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
                value.to_string()?.into_bytes()
            }
            other => {
                let kind = other.type_name();
                return Err(Error::runtime(format!("no value of a header: a {kind}")));
            }
        };
        // Control characters are encoded, as in OpenResty: none ends a line.
        Ok(header_bytes(&bytes))
    };
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Table(values) => values
            .sequence_values::<Value>()
            .map(|value| one(&value?))
            .collect(),
        value => Ok(vec![one(value)?]),
    }
}

/// All headers: texts, and lists for those that repeat; no more than `most` unless that is 0.
pub(super) fn header_table(lua: &Lua, headers: &HeaderMap, most: usize) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let most = if most == 0 { usize::MAX } else { most };
    for (name, value) in headers.iter().take(most) {
        let value = Value::String(lua.create_string(value.as_bytes())?);
        add_value(lua, &table, name.as_str().as_bytes(), value)?;
    }
    Ok(table)
}

fn head(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let header = lua.create_function(|lua, name: LuaString| {
        let name = header_name(&name)?;
        with(lua, |call| {
            let value = call.context.request.headers.get(&name);
            value
                .map(|value| lua.create_string(value.as_bytes()))
                .transpose()
        })
    })?;
    native.set("request_header", header)?;
    let headers = lua.create_function(|lua, most: usize| {
        with(lua, |call| {
            header_table(lua, &call.context.request.headers, most)
        })
    })?;
    native.set("request_headers", headers)?;
    native.set("set_request_header", lua.create_function(set_header)?)?;
    let method = lua.create_function(|lua, ()| {
        with(lua, |call| {
            let changed = call.context.target.method.as_ref();
            let method = changed.unwrap_or(&call.context.request.method);
            Ok(method.as_str().to_owned())
        })
    })?;
    native.set("method", method)?;
    let set_method = lua.create_function(|lua, name: String| {
        let method = Method::from_bytes(name.as_bytes());
        let method = method.map_err(|_| Error::runtime(format!("no method: {name:?}")))?;
        with(lua, |call| {
            before_the_node(call)?;
            call.context.target.method = Some(method);
            Ok(())
        })
    })?;
    native.set("set_method", set_method)?;
    let version = lua.create_function(|lua, ()| {
        with(lua, |call| {
            let protocol = call.context.request.protocol();
            Ok(protocol.trim_start_matches("HTTP/").parse::<f64>().ok())
        })
    })?;
    native.set("http_version", version)?;
    let query = lua.create_function(|lua, ()| {
        with(lua, |call| {
            let target = call.target();
            let query = target.split_once('?').map_or("", |(_, query)| query);
            lua.create_string(query)
        })
    })?;
    native.set("query", query)?;
    let set_query = lua.create_function(|lua, query: LuaString| {
        let query = visible(&query.to_string_lossy());
        with(lua, |call| {
            before_the_node(call)?;
            let target = call.target();
            let path = target.split_once('?').map_or(&*target, |(path, _)| path);
            let mark = if query.is_empty() { "" } else { "?" };
            call.context.target.uri = Some(format!("{path}{mark}{query}"));
            Ok(())
        })
    })?;
    native.set("set_query", set_query)?;
    let set_uri = lua.create_function(|lua, uri: LuaString| {
        let uri = uri.to_string_lossy();
        if !uri.starts_with('/') {
            return Err(Error::runtime(format!(
                "a path begins with '/', got {uri:?}"
            )));
        }
        with(lua, |call| {
            before_the_node(call)?;
            let target = call.target();
            let query = target.find('?').and_then(|at| target.get(at..));
            call.context.target.uri = Some(encode_path(&uri) + query.unwrap_or_default());
            Ok(())
        })
    })?;
    native.set("set_uri", set_uri)
}

/// What can stand in a target, and the rest encoded.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'#' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn before_the_node(call: &Call) -> mlua::Result<()> {
    if call.is_early() {
        Ok(())
    } else {
        Err(call::disabled(call.phase))
    }
}

fn set_header(lua: &Lua, (name, value, append): (LuaString, Value, bool)) -> mlua::Result<()> {
    let (name, values) = (header_name(&name)?, header_values(&value)?);
    with(lua, |call| {
        before_the_node(call)?;
        if name == HOST
            && let Some(host) = values.last().and_then(|value| value.to_str().ok())
        {
            call.context.target.host = Some(host.to_owned());
        }
        let headers = &mut call.context.request.headers;
        if !append {
            headers.remove(&name);
        }
        for value in values {
            headers.append(name.clone(), value);
        }
        Ok(())
    })
}

fn body(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let body = lua.create_function(|lua, ()| {
        with(lua, |call| {
            Ok(match call.context.request.body.whole(MAX_BODY) {
                WholeBody::Read(bytes) => (Some(lua.create_string(bytes)?), None),
                WholeBody::TooLarge => {
                    let problem = format!("the body is larger than {MAX_BODY} bytes");
                    (None, Some(problem))
                }
                WholeBody::Unread => {
                    let problem = "the body was not read: a function that reads it must name \
                                   get_body, read_body or get_body_data in its text";
                    (None, Some(problem.to_owned()))
                }
            })
        })
    })?;
    native.set("body", body)?;
    let set_body = lua.create_function(|lua, bytes: LuaString| {
        let bytes = Bytes::copy_from_slice(&bytes.as_bytes());
        with(lua, |call| {
            if !matches!(call.phase, Phase::Rewrite | Phase::Access) {
                return Err(call::disabled(call.phase));
            }
            call.context.request.body.replace(bytes);
            Ok(())
        })
    })?;
    native.set("set_body", set_body)
}

fn variables(lua: &Lua, native: &Table) -> mlua::Result<()> {
    native.set("var", lua.create_function(variable)?)?;
    let set = lua.create_function(|lua, (name, value): (String, Value)| {
        if set_variable(lua, &name, &value)? {
            return Ok(());
        }
        Err(Error::runtime(format!("variable {name:?} cannot be set")))
    })?;
    native.set("set_var", set)?;
    let set = lua
        .create_function(|lua, (name, value): (String, Value)| set_variable(lua, &name, &value))?;
    native.set("set_var_if_known", set)?;
    native.set("context_field", lua.create_function(field)?)
}

fn variable(lua: &Lua, name: String) -> mlua::Result<Value> {
    with(lua, |call| {
        match name.as_str() {
            // As nginx' own variable it is empty until it is set.
            "upstream_uri" => {
                let uri = call.context.target.uri.as_deref().unwrap_or_default();
                return Ok(Value::String(lua.create_string(uri)?));
            }
            "upstream_host" => {
                let host = &call.context.target.host;
                let host = host.as_ref().unwrap_or(&call.context.request.authority);
                return Ok(Value::String(lua.create_string(host)?));
            }
            _ => {}
        }
        Ok(match call.context.get(&Variable::parse(&name)) {
            Some(Var::Text(text)) => Value::String(lua.create_string(&*text)?),
            Some(Var::Json(value)) => json::write(lua, &value)?,
            None => Value::Nil,
        })
    })
}

/// Sets a variable; `false` when it is none that can be set.
fn set_variable(lua: &Lua, name: &str, value: &Value) -> mlua::Result<bool> {
    let text = match value {
        Value::String(text) => text.to_string_lossy(),
        other => other.to_string()?,
    };
    with(lua, |call| {
        let target = &mut call.context.target;
        match name {
            "upstream_uri" | "upstream_host" if value.is_nil() => {
                return Err(Error::runtime(format!(
                    "variable {name:?} cannot be set to nothing"
                )));
            }
            "upstream_uri" => {
                if !text.starts_with('/') {
                    return Err(Error::runtime(format!(
                        "a path begins with '/', got {text:?}"
                    )));
                }
                target.uri = Some(visible(&text));
            }
            "upstream_host" => target.host = Some(text),
            _ => return Ok(false),
        }
        Ok(true)
    })
}

/// A field of `ctx`.
fn field(lua: &Lua, name: Value) -> mlua::Result<Value> {
    let Value::String(name) = name else {
        return Ok(Value::Nil);
    };
    let name = name.to_string_lossy();
    with(lua, |call| {
        let context = &call.context;
        let text = |text: &str| -> mlua::Result<Value> {
            if text.is_empty() {
                return Ok(Value::Nil);
            }
            Ok(Value::String(lua.create_string(text)?))
        };
        let route = context.route.as_deref();
        let consumer = context.consumer.as_deref();
        match name.as_str() {
            "route_id" => text(route.map_or("", |route| &route.id)),
            "route_name" => text(route.map_or("", |route| &route.name)),
            "service_id" => text(route.map_or("", |route| &route.service_id)),
            "service_name" => text(route.map_or("", |route| &route.service_name)),
            // The node, once one is picked.
            "balancer_ip" | "balancer_port" => match context.get(&Variable::parse(&name)) {
                Some(value) if name == "balancer_port" => {
                    let port = value.into_text().parse::<u16>().ok();
                    Ok(port.map_or(Value::Nil, |port| Value::Integer(port.into())))
                }
                Some(value) => text(&value.into_text()),
                None => Ok(Value::Nil),
            },
            "consumer_name" => text(consumer.map_or("", |consumer| &consumer.name)),
            "consumer_group_id" => {
                let group = consumer.and_then(|consumer| consumer.group_id.as_deref());
                text(group.unwrap_or_default())
            }
            "consumer" => {
                let Some(consumer) = consumer else {
                    return Ok(Value::Nil);
                };
                let table = lua.create_table()?;
                table.set("username", consumer.name.as_str())?;
                table.set("consumer_name", consumer.name.as_str())?;
                table.set("group_id", consumer.group_id.as_deref())?;
                table.set("labels", lua.create_table_from(consumer.labels.clone())?)?;
                Ok(Value::Table(table))
            }
            "curr_req_matched" => {
                if context.matched_uri.is_empty() {
                    return Ok(Value::Nil);
                }
                let table = lua.create_table()?;
                table.set("_path", &*context.matched_uri)?;
                table.set("_method", context.request.method.as_str())?;
                if !context.matched_host.is_empty() {
                    table.set("_host", &*context.matched_host)?;
                }
                for (name, value) in &context.params {
                    table.set(&**name, value.as_str())?;
                }
                Ok(Value::Table(table))
            }
            _ => Ok(Value::Nil),
        }
    })
}
