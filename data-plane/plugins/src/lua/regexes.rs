//! Regular expressions of `ngx.re`, on an engine whose time grows with the text and no faster.

use std::collections::HashMap;
use std::rc::Rc;

use mlua::{Error, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};
use regex::bytes::{Regex, RegexBuilder};

use super::budget;

/// Expressions that a state remembers.
const REMEMBERED: usize = 256;

/// Largest compiled expression in bytes.
const LARGEST: usize = 1 << 20;

#[derive(Default)]
struct Known(HashMap<(String, String), Rc<Regex>>);

pub(super) fn add(lua: &Lua, native: &Table) -> mlua::Result<()> {
    lua.set_app_data(Known::default());
    native.set("re_match", lua.create_function(find)?)?;
    native.set("re_expand", lua.create_function(expand)?)
}

fn compiled(lua: &Lua, text: &str, options: &str) -> Result<Rc<Regex>, String> {
    let mut known = lua
        .app_data_mut::<Known>()
        .ok_or_else(|| "a state without expressions".to_owned())?;
    let key = (text.to_owned(), options.to_owned());
    if let Some(regex) = known.0.get(&key) {
        return Ok(Rc::clone(regex));
    }
    let anchored;
    let mut source = text;
    if options.contains('a') {
        anchored = format!(r"\A(?:{text})");
        source = &anchored;
    }
    let regex = RegexBuilder::new(source)
        .case_insensitive(options.contains('i'))
        .dot_matches_new_line(options.contains('s'))
        .multi_line(options.contains('m'))
        .ignore_whitespace(options.contains('x'))
        .unicode(options.contains('u'))
        .size_limit(LARGEST)
        .build()
        .map_err(|error| error.to_string())?;
    if known.0.len() >= REMEMBERED {
        known.0.clear();
    }
    let regex = Rc::new(regex);
    known.0.insert(key, Rc::clone(&regex));
    Ok(regex)
}

type Arguments = (LuaString, LuaString, Option<String>, usize, Option<usize>);

/// A table of the match, and where it (or its group of this number) begins and ends; nothing and the
/// reason when there can be none.
fn find(lua: &Lua, (text, regex, options, from, group): Arguments) -> mlua::Result<MultiValue> {
    let regex = compiled(lua, &regex.to_string_lossy(), &options.unwrap_or_default());
    let regex = match regex {
        Ok(regex) => regex,
        Err(problem) => {
            let problem = format!("the expression is refused: {problem}");
            return (Value::Nil, problem).into_lua_multi(lua);
        }
    };
    let text = text.as_bytes();
    let from = from.saturating_sub(1).min(text.len());
    budget::of(lua, |budget| budget.spend((text.len() - from) as u64 / 8))?;
    let Some(captures) = regex.captures_at(&text, from) else {
        return Ok(MultiValue::new());
    };
    let found = lua.create_table()?;
    for (at, capture) in captures.iter().enumerate() {
        let value = match capture {
            Some(capture) => Value::String(lua.create_string(capture.as_bytes())?),
            None => Value::Boolean(false),
        };
        found.raw_set(at, value)?;
    }
    for name in regex.capture_names().flatten() {
        if let Some(capture) = captures.name(name) {
            found.raw_set(name, lua.create_string(capture.as_bytes())?)?;
        }
    }
    let place = captures.get(group.unwrap_or(0));
    let (from, to) = place.map_or((0, 0), |place| (place.start() + 1, place.end()));
    (Value::Table(found), from, to).into_lua_multi(lua)
}

/// The replacement of `ngx.re.sub`: `$1` and `${1}` stand for captures, `$$` for a `$`.
fn expand(lua: &Lua, (template, found): (LuaString, Table)) -> mlua::Result<LuaString> {
    let mut out = Vec::new();
    let template = template.as_bytes();
    let mut rest: &[u8] = &template;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'$' {
            out.push(byte);
            continue;
        }
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        let (braced, inner) = match rest.strip_prefix(b"{") {
            Some(inner) => (true, inner),
            None => (false, rest),
        };
        let digits = inner
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (number, after) = inner.split_at(digits);
        let after = if braced {
            after.strip_prefix(b"}")
        } else {
            Some(after)
        };
        let number = std::str::from_utf8(number).ok();
        let number = number.and_then(|number| number.parse::<usize>().ok());
        let (Some(number), Some(after)) = (number, after) else {
            return Err(Error::runtime(
                "the replacement has a '$' that stands for nothing",
            ));
        };
        rest = after;
        if let Value::String(text) = found.raw_get::<Value>(number.into_lua(lua)?)? {
            out.extend_from_slice(&text.as_bytes());
        }
    }
    lua.create_string(out)
}
