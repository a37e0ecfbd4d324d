//! What functions say to the client, change in an answer, and log.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderName, StatusCode};
use mlua::{Error, Lua, LuaString, Table, Value, Variadic};
use weir_plugin_api::Phase;

use super::call::{self, Call, Change, MAX_BODY, MAX_LOGGED, Pending, with};
use super::request::{header_name, header_table, header_values};
use super::{budget, functions, json};

/// Instructions that a line of the log is worth: a loop cannot fill a disk with them.
const LOG_LINE: u64 = 10_000;

pub(super) fn add(lua: &Lua, native: &Table) -> mlua::Result<()> {
    says(lua, native)?;
    heads(lua, native)?;
    pieces(lua, native)?;
    surroundings(lua, native)
}

fn says(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let say =
        lua.create_function(|lua, text: LuaString| with(lua, |call| call.say(&text.as_bytes())))?;
    native.set("say", say)?;
    let exit = lua.create_function(|lua, code: i64| -> mlua::Result<()> {
        with(lua, |call| {
            if !call.is_early() && code != 0 {
                return Err(call::disabled(call.phase));
            }
            call.exit = Some(code);
            Ok(())
        })?;
        Err(Error::runtime("ended"))
    })?;
    native.set("exit", exit)?;
    let answer = lua.create_function(|lua, (code, parts): (Option<u16>, Variadic<Value>)| {
        with(lua, |call| {
            call.status = code.or(call.status);
            parts.iter().try_for_each(|part| say_part(lua, call, part))
        })
    })?;
    native.set("answer", answer)?;
    let ended = lua.create_function(|lua, ()| {
        let over = budget::of(lua, |budget| Ok(budget.over().is_some()))?;
        Ok(over || with(lua, |call| Ok(call.exit.is_some())).unwrap_or(false))
    })?;
    native.set("ended", ended)?;
    let told = lua.create_function(|_, problem: Value| match problem {
        Value::Error(error) => Ok(functions::told(&error)),
        other => other.to_string(),
    })?;
    native.set("told", told)
}

/// Says a part of an answer: a text, or a table as JSON.
pub(super) fn say_part(lua: &Lua, call: &mut Call, part: &Value) -> mlua::Result<()> {
    match part {
        Value::Nil => Ok(()),
        Value::Table(_) => {
            let value = json::read(lua, part, 0).map_err(Error::runtime)?;
            call.say(format!("{value}\n").as_bytes())
        }
        Value::String(text) => call.say(&text.as_bytes()),
        other => call.say(plain(other)?.as_bytes()),
    }
}

/// The text of a number or a boolean.
///
/// # Errors
/// It is neither.
pub(super) fn plain(value: &Value) -> mlua::Result<String> {
    match value {
        Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => value.to_string(),
        other => {
            let kind = other.type_name();
            Err(Error::runtime(format!("a body cannot have a {kind} in it")))
        }
    }
}

fn heads(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let status = lua.create_function(|lua, ()| {
        with(lua, |call| {
            let sent = call
                .context
                .response
                .as_ref()
                .map(|head| head.status.as_u16());
            Ok(sent.or(call.status))
        })
    })?;
    native.set("status", status)?;
    let set_status = lua.create_function(|lua, code: u16| {
        let status = StatusCode::from_u16(code)
            .ok()
            .filter(|status| !status.is_informational());
        let status = status.ok_or_else(|| Error::runtime(format!("no status: {code}")))?;
        with(lua, |call| {
            match (&mut call.context.response, call.phase) {
                (Some(head), Phase::HeaderFilter) => head.status = status,
                (None, _) => call.status = Some(code),
                _ => return Err(call::disabled(call.phase)),
            }
            Ok(())
        })
    })?;
    native.set("set_status", set_status)?;
    let header = lua.create_function(|lua, name: LuaString| {
        let name = header_name(&name)?;
        with(lua, |call| {
            let mut values = values(call, &name);
            Ok(match values.len() {
                0 => Value::Nil,
                1 => Value::String(lua.create_string(values.remove(0))?),
                _ => {
                    let values: Result<Vec<_>, _> = values
                        .iter()
                        .map(|value| lua.create_string(value))
                        .collect();
                    Value::Table(lua.create_sequence_from(values?)?)
                }
            })
        })
    })?;
    native.set("response_header", header)?;
    let headers = lua.create_function(|lua, most: usize| {
        with(lua, |call| match &call.context.response {
            Some(head) => header_table(lua, &head.headers, most),
            None => lua.create_table(),
        })
    })?;
    native.set("response_headers", headers)?;
    native.set("set_response_header", lua.create_function(set_header)?)
}

/// The values of a header of the answer, or of the one to come.
fn values(call: &mut Call, name: &HeaderName) -> Vec<Vec<u8>> {
    if let Some(head) = &call.context.response {
        let values = head.headers.get_all(name).iter();
        return values.map(|value| value.as_bytes().to_vec()).collect();
    }
    let mut found = Vec::new();
    call.context.instance = call.instance;
    for (other, change) in &call.context.local_mut::<Pending>().0 {
        if other == name {
            let values = match change {
                Change::Set(values) => {
                    found.clear();
                    values
                }
                Change::Add(values) => values,
            };
            found.extend(values.iter().map(|value| value.as_bytes().to_vec()));
        }
    }
    found
}

fn set_header(lua: &Lua, (name, value, append): (LuaString, Value, bool)) -> mlua::Result<()> {
    let (name, values) = (header_name(&name)?, header_values(&value)?);
    let change = if append {
        Change::Add(values)
    } else {
        Change::Set(values)
    };
    with(lua, |call| {
        match call.phase {
            Phase::BodyFilter | Phase::Log => return Err(call::disabled(call.phase)),
            Phase::HeaderFilter => {
                if let Some(head) = &mut call.context.response {
                    if name == CONTENT_LENGTH {
                        // Framing is the gateway's: without a length the body may change.
                        head.body_changes = true;
                        return Ok(());
                    }
                    Pending(vec![(name, change)]).apply(&mut head.headers);
                }
            }
            Phase::Rewrite | Phase::Access | Phase::BeforeProxy => {
                if name != CONTENT_LENGTH {
                    call.context.instance = call.instance;
                    call.context.local_mut::<Pending>().0.push((name, change));
                }
            }
        }
        Ok(())
    })
}

/// Pieces of a body that wait for its end.
#[derive(Default)]
struct Held(BytesMut);

fn pieces(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let piece = lua.create_function(|lua, at: Value| {
        with(lua, |call| {
            only_in_body_filter(call)?;
            Ok(match at {
                Value::Integer(1) => {
                    Value::String(lua.create_string(call.chunk.as_deref().unwrap_or_default())?)
                }
                Value::Integer(2) => Value::Boolean(call.end),
                _ => Value::Nil,
            })
        })
    })?;
    native.set("arg", piece)?;
    let set = lua.create_function(|lua, (at, value): (i64, Value)| {
        with(lua, |call| {
            only_in_body_filter(call)?;
            match (at, value) {
                (1, Value::Nil) => call.chunk = None,
                (1, Value::String(text)) => {
                    call.chunk = Some(Bytes::copy_from_slice(&text.as_bytes()));
                }
                (1, other) => call.chunk = Some(Bytes::from(other.to_string()?)),
                (2, Value::Boolean(end)) if end == call.end => {}
                _ => return Err(Error::runtime("only ngx.arg[1] can be set")),
            }
            Ok(())
        })
    })?;
    native.set("set_arg", set)?;
    let hold = lua.create_function(|lua, ()| {
        with(lua, |call| {
            only_in_body_filter(call)?;
            call.context.instance = call.instance;
            let piece = call.chunk.take().unwrap_or_default();
            let held = call.context.local_mut::<Held>();
            if held.0.len() + piece.len() > MAX_BODY {
                return Err(Error::runtime("the body is too large to be held"));
            }
            held.0.extend_from_slice(&piece);
            if !call.end {
                return Ok(None);
            }
            let whole = std::mem::take(&mut held.0).freeze();
            let text = lua.create_string(&whole)?;
            call.chunk = Some(whole);
            Ok(Some(text))
        })
    })?;
    native.set("hold_body", hold)
}

fn only_in_body_filter(call: &Call) -> mlua::Result<()> {
    if call.phase == Phase::BodyFilter {
        Ok(())
    } else {
        Err(call::disabled(call.phase))
    }
}

fn surroundings(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let log = lua.create_function(|lua, (level, text): (i64, LuaString)| {
        budget::of(lua, |budget| budget.spend(LOG_LINE))?;
        let text = text.to_string_lossy();
        let end = text.floor_char_boundary(MAX_LOGGED);
        let text = text.get(..end).unwrap_or_default();
        let route = with(lua, |call| Ok(call.context.route.clone()))
            .ok()
            .flatten();
        let route = route.as_deref().map_or("", |route| &route.id);
        match level {
            ..=4 => tracing::error!(route, "function: {text}"),
            5 => tracing::warn!(route, "function: {text}"),
            6 | 7 => tracing::info!(route, "function: {text}"),
            _ => tracing::debug!(route, "function: {text}"),
        }
        Ok(())
    })?;
    native.set("log", log)?;
    let now = lua.create_function(|lua, ()| {
        let told = with(lua, |call| Ok(call.context.host.unix_ms()));
        Ok(told.unwrap_or_else(|_| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
        }))
    })?;
    native.set("now_ms", &now)?;
    let start = lua.create_function(move |_, ()| Ok(now.call::<f64>(())? / 1000.0))?;
    native.set("start_time", start)?;
    native.set("worker_id", lua.create_function(|_, ()| Ok(0))?)?;
    let phase = lua.create_function(|lua, ()| {
        Ok(with(lua, |call| Ok(call::name(call.phase))).unwrap_or("init"))
    })?;
    native.set("phase", phase)?;
    let tables = lua.create_function(|lua, ()| with(lua, |call| Ok(call.tables.ngx.clone())))?;
    native.set("tables", tables)?;
    let set = lua.create_function(|lua, table: Table| {
        with(lua, |call| {
            call.tables.ngx = table;
            Ok(())
        })
    })?;
    native.set("set_ngx_ctx", set)
}
