//! What Lua's library of strings needs of Rust: all that might run for long in one instruction.

use mlua::{Error, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value, Variadic};

use super::budget;
use super::pattern::{self, Capture, Fault};

/// Steps of a matcher that are worth an instruction.
const STEPS: u64 = 2;

/// What is said of a capture that has no end.
const UNFINISHED: &str = "unfinished capture";

/// Longest text that `string.rep` makes.
const LONGEST: usize = 16 << 20;

pub(super) fn add(lua: &Lua, native: &Table) -> mlua::Result<()> {
    native.set("match", lua.create_function(find)?)?;
    native.set("find_plain", lua.create_function(find_plain)?)?;
    let plain =
        lua.create_function(|_, pattern: LuaString| Ok(pattern::is_plain(&pattern.as_bytes())))?;
    native.set("is_plain", plain)?;
    native.set("expand", lua.create_function(expand)?)?;
    native.set("rep", lua.create_function(repeat)?)?;
    let spend = lua.create_function(|lua, instructions: f64| {
        // What is no count saturates.
        budget::of(lua, |budget| budget.spend(instructions as u64))
    })?;
    native.set("spend", spend)
}

/// First and last position of a match, and its captures; nil when there is none. A capture without
/// an end is `false` for who may never tell it, and an error for others.
fn find(
    lua: &Lua,
    (text, pattern, from, literal, open): (LuaString, LuaString, usize, bool, Option<bool>),
) -> mlua::Result<MultiValue> {
    let text = text.as_bytes();
    let most = budget::of(lua, |budget| Ok(budget.left().saturating_mul(STEPS)))?;
    let mut steps = most;
    let found = pattern::find(
        &text,
        &pattern.as_bytes(),
        from.saturating_sub(1),
        literal,
        &mut steps,
    );
    budget::of(lua, |budget| budget.spend((most - steps) / STEPS))?;
    let (from, to, captures) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Value::Nil.into_lua_multi(lua),
        Err(Fault::Malformed(problem)) => return Err(Error::runtime(problem)),
        Err(Fault::TooManySteps) => return Err(Error::runtime("the pattern takes too long")),
    };
    let mut values = Vec::with_capacity(captures.len() + 2);
    values.push((from + 1).into_lua(lua)?);
    values.push(to.into_lua(lua)?);
    for capture in captures {
        values.push(match capture {
            Capture::Bytes(from, to) => {
                let bytes = text.get(from..to).unwrap_or_default();
                Value::String(lua.create_string(bytes)?)
            }
            Capture::Position(at) => (at + 1).into_lua(lua)?,
            Capture::Open(_) if open == Some(true) => Value::Boolean(false),
            Capture::Open(_) => return Err(Error::runtime(UNFINISHED)),
        });
    }
    Ok(MultiValue::from_iter(values))
}

/// First and last position of a text within another; nil when it is not there.
fn find_plain(
    lua: &Lua,
    (text, wanted, from): (LuaString, LuaString, usize),
) -> mlua::Result<MultiValue> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    let rest = text.get(from.saturating_sub(1)..).unwrap_or_default();
    budget::of(lua, |budget| budget.spend(rest.len() as u64 / 64))?;
    match memchr::memmem::find(rest, &wanted) {
        Some(at) => (from + at, from + at + wanted.len() - 1).into_lua_multi(lua),
        None => Value::Nil.into_lua_multi(lua),
    }
}

/// The replacement of `gsub`: `%0` to `%9` stand for captures.
fn expand(
    lua: &Lua,
    (template, whole, captures): (LuaString, LuaString, Variadic<Value>),
) -> mlua::Result<LuaString> {
    let mut out = Vec::new();
    let template = template.as_bytes();
    let mut bytes = template.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => out.extend_from_slice(&whole.as_bytes()),
            Some(digit @ b'1'..=b'9') => {
                let at = usize::from(digit - b'1');
                match captures.get(at) {
                    Some(Value::String(text)) => out.extend_from_slice(&text.as_bytes()),
                    Some(Value::Boolean(_)) => return Err(Error::runtime(UNFINISHED)),
                    Some(other) => out.extend_from_slice(other.to_string()?.as_bytes()),
                    None if at == 0 => out.extend_from_slice(&whole.as_bytes()),
                    None => return Err(Error::runtime("invalid capture index")),
                }
            }
            Some(&other) => out.push(other),
            None => return Err(Error::runtime("malformed replacement (ends with '%')")),
        }
    }
    lua.create_string(out)
}

fn repeat(lua: &Lua, (text, count): (LuaString, i64)) -> mlua::Result<LuaString> {
    let text = text.as_bytes();
    let count = usize::try_from(count).unwrap_or(0);
    let length = text.len().saturating_mul(count);
    if length > LONGEST {
        return Err(Error::runtime("string.rep: the text would be too long"));
    }
    budget::of(lua, |budget| budget.spend(length as u64 / 64))?;
    lua.create_string(if length == 0 {
        Vec::new()
    } else {
        text.repeat(count)
    })
}
