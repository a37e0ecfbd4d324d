//! Codes and digests: base64, percent encoding, arguments, MD5 and the like; operations on bits.

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use md5::{Digest, Md5};
use mlua::{Lua, LuaString, Table, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha1::Sha1;

/// All but what nginx leaves alone in a component of a URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) fn add(lua: &Lua, native: &Table) -> mlua::Result<()> {
    texts(lua, native)?;
    digests(lua, native)?;
    native.set("encode_args", lua.create_function(encode_args)?)?;
    native.set("decode_args", lua.create_function(decode_args)?)?;
    native.set("bit", bits(lua)?)
}

fn texts(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let encode = lua.create_function(|_, (text, no_padding): (LuaString, Option<bool>)| {
        let text = text.as_bytes();
        Ok(match no_padding {
            Some(true) => STANDARD_NO_PAD.encode(&*text),
            _ => STANDARD.encode(&*text),
        })
    })?;
    native.set("encode_base64", encode)?;
    let decode = lua.create_function(|lua, text: LuaString| {
        let text = text.to_string_lossy();
        let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
        bytes.map(|bytes| lua.create_string(bytes)).transpose()
    })?;
    native.set("decode_base64", decode)?;
    let escape = lua.create_function(|_, text: LuaString| {
        Ok(percent_encode(&text.as_bytes(), ESCAPED).to_string())
    })?;
    native.set("escape_uri", escape)?;
    let unescape =
        lua.create_function(|lua, text: LuaString| lua.create_string(unescaped(&text.as_bytes())))?;
    native.set("unescape_uri", unescape)?;
    let quote = lua.create_function(|_, text: LuaString| {
        let text = text.to_string_lossy();
        Ok(format!(
            "'{}'",
            text.replace('\\', "\\\\").replace('\'', "\\'")
        ))
    })?;
    native.set("quote_sql_str", quote)?;
    let parse = lua.create_function(|_, text: String| {
        let time = httpdate::parse_http_date(&text).ok();
        let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(time.map(|time| time.as_secs()))
    })?;
    native.set("parse_http_time", parse)
}

fn digests(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let md5 = lua.create_function(|_, text: LuaString| {
        let mut hex = String::with_capacity(32);
        for byte in Md5::digest(&*text.as_bytes()) {
            let _ = write!(hex, "{byte:02x}");
        }
        Ok(hex)
    })?;
    native.set("md5", md5)?;
    let md5_bin = lua.create_function(|lua, text: LuaString| {
        lua.create_string(Md5::digest(&*text.as_bytes()))
    })?;
    native.set("md5_bin", md5_bin)?;
    let sha1 = lua.create_function(|lua, text: LuaString| {
        lua.create_string(Sha1::digest(&*text.as_bytes()))
    })?;
    native.set("sha1_bin", sha1)?;
    let mac = lua.create_function(|lua, (key, text): (LuaString, LuaString)| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key.as_bytes());
        lua.create_string(hmac::sign(&key, &text.as_bytes()).as_ref())
    })?;
    native.set("hmac_sha1", mac)?;
    let crc = lua.create_function(|_, text: LuaString| Ok(crc32fast::hash(&text.as_bytes())))?;
    native.set("crc32_short", &crc)?;
    native.set("crc32_long", crc)
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced).collect()
}

/// A table of arguments as a query, in the order of their names.
fn encode_args(_: &Lua, table: Table) -> mlua::Result<String> {
    let mut pairs = Vec::new();
    for pair in table.pairs::<LuaString, Value>() {
        let (name, value) = pair?;
        let name = percent_encode(&name.as_bytes(), ESCAPED).to_string();
        match value {
            Value::Table(values) => {
                for value in values.sequence_values::<Value>() {
                    pairs.extend(argument(&name, &value?)?);
                }
            }
            value => pairs.extend(argument(&name, &value)?),
        }
    }
    // Values of one name stay as they are.
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let pairs: Vec<String> = pairs.into_iter().map(|(_, pair)| pair).collect();
    Ok(pairs.join("&"))
}

fn argument(name: &str, value: &Value) -> mlua::Result<Option<(String, String)>> {
    let pair = match value {
        Value::Nil | Value::Boolean(false) => return Ok(None),
        Value::Boolean(true) => name.to_owned(),
        Value::String(text) => format!("{name}={}", percent_encode(&text.as_bytes(), ESCAPED)),
        other => format!("{name}={}", other.to_string()?),
    };
    Ok(Some((name.to_owned(), pair)))
}

/// The arguments of a query: texts, `true` for those without `=`, lists for those that repeat. No more
/// than `most` unless that is 0.
fn decode_args(lua: &Lua, (query, most): (LuaString, Option<usize>)) -> mlua::Result<Table> {
    let args = lua.create_table()?;
    let query = query.as_bytes();
    let pairs = query.split(|byte| *byte == b'&');
    let pairs = pairs.filter(|pair| !pair.is_empty());
    let most = most.filter(|most| *most > 0).unwrap_or(usize::MAX);
    for pair in pairs.take(most) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => {
                let value = unescaped(pair.get(at + 1..).unwrap_or_default());
                (
                    pair.get(..at).unwrap_or_default(),
                    Value::String(lua.create_string(value)?),
                )
            }
            None => (pair, Value::Boolean(true)),
        };
        add_value(lua, &args, &unescaped(name), value)?;
    }
    Ok(args)
}

/// Adds a value under a name: the second makes a list.
pub(super) fn add_value(lua: &Lua, to: &Table, name: &[u8], value: Value) -> mlua::Result<()> {
    let name = lua.create_string(name)?;
    match to.raw_get::<Value>(&name)? {
        Value::Nil => to.raw_set(name, value),
        Value::Table(values) => values.raw_push(value),
        first => to.raw_set(name, lua.create_sequence_from([first, value])?),
    }
}

/// An operation on a number.
type One = fn(u32) -> u32;

/// An operation on two.
type Two = fn(u32, u32) -> u32;

/// The library `bit` of LuaJIT.
fn bits(lua: &Lua) -> mlua::Result<Table> {
    fn whole(number: f64) -> u32 {
        number.rem_euclid(4_294_967_296.0) as u64 as u32
    }
    fn signed(bits: u32) -> i32 {
        bits as i32
    }
    let table = lua.create_table()?;
    let one: [(&str, One); 3] = [
        ("tobit", |a| a),
        ("bnot", |a| !a),
        ("bswap", u32::swap_bytes),
    ];
    for (name, of) in one {
        table.set(
            name,
            lua.create_function(move |_, a: f64| Ok(signed(of(whole(a)))))?,
        )?;
    }
    let many: [(&str, Two); 3] = [
        ("band", |a, b| a & b),
        ("bor", |a, b| a | b),
        ("bxor", |a, b| a ^ b),
    ];
    for (name, of) in many {
        let function =
            lua.create_function(move |_, (first, rest): (f64, mlua::Variadic<f64>)| {
                let rest = rest.iter().map(|number| whole(*number));
                Ok(signed(rest.fold(whole(first), of)))
            })?;
        table.set(name, function)?;
    }
    let shifts: [(&str, Two); 5] = [
        ("lshift", |a, by| a << (by & 31)),
        ("rshift", |a, by| a >> (by & 31)),
        ("arshift", |a, by| ((a as i32) >> (by & 31)) as u32),
        ("rol", |a, by| a.rotate_left(by & 31)),
        ("ror", |a, by| a.rotate_right(by & 31)),
    ];
    for (name, of) in shifts {
        let function =
            lua.create_function(move |_, (a, by): (f64, f64)| Ok(signed(of(whole(a), whole(by)))))?;
        table.set(name, function)?;
    }
    let hex = lua.create_function(|_, (a, digits): (f64, Option<i32>)| {
        let digits = digits.unwrap_or(8);
        let text = format!("{:08x}", whole(a));
        let count = usize::try_from(digits.unsigned_abs()).unwrap_or(8).min(8);
        let text = text.get(8 - count..).unwrap_or_default().to_owned();
        Ok(if digits < 0 {
            text.to_uppercase()
        } else {
            text
        })
    })?;
    table.set("tohex", hex)?;
    Ok(table)
}
