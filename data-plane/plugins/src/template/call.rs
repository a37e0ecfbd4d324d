//! What the functions of templates do.

use bytes::Bytes;

use super::eval::Run;
use super::function::{Function, Method};
use super::value::{Fields, Value};
use crate::json;

/// Functions take no more arguments than this.
type Arguments = Vec<Value>;

impl Run<'_> {
    pub(super) fn call(
        &mut self,
        function: Function,
        arguments: Arguments,
    ) -> Result<Value, String> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or_default();
        let first = next();
        match function {
            Function::EscapeXml => Ok(Value::text(escape(&text(&first)?, &XML))),
            Function::EscapeJson => {
                let written = json::print(&first).map_err(|error| error.to_string())?;
                self.spend_bytes(written.len())?;
                Ok(Value::text(written))
            }
            Function::DecodeJson => {
                let text = text(&first)?;
                self.spend_bytes(text.len())?;
                Ok(json::parse(&text).unwrap_or_default())
            }
            Function::ParseYaml => {
                let text = text(&first)?;
                self.spend_bytes(text.len())?;
                let text = std::str::from_utf8(&text).map_err(|error| error.to_string())?;
                let read = serde_saphyr::from_str::<Value>(text);
                read.map_err(|error| first_line(&error.to_string()))
            }
            Function::ToNumber => Ok(first.as_number().map_or(Value::Nil, Value::number)),
            Function::ToText => Ok(Value::text(self.shown(&first)?)),
            Function::Type => Ok(Value::text(match first {
                Value::Null => "userdata",
                other => other.type_name(),
            })),
            Function::Lower => Ok(Value::text(text(&first)?.to_ascii_lowercase())),
            Function::Upper => Ok(Value::text(text(&first)?.to_ascii_uppercase())),
            Function::Length => text(&first).map(|text| Value::Integer(text.len() as i64)),
            Function::Sub => {
                let (from, to) = (next(), next());
                let text = text(&first)?;
                Ok(Value::text(sub(&text, place(&from, 1)?, place(&to, -1)?)))
            }
        }
    }

    pub(super) fn method(
        &mut self,
        of: Value,
        method: Method,
        mut arguments: Arguments,
    ) -> Result<Value, String> {
        let function = match method {
            Method::Lower => Function::Lower,
            Method::Upper => Function::Upper,
            Method::Sub => Function::Sub,
            Method::Length => Function::Length,
            Method::Get | Method::SetSimple | Method::Delete | Method::ToText => {
                return self.of_multipart(&of, method, arguments);
            }
        };
        arguments.insert(0, of);
        self.call(function, arguments)
    }

    fn of_multipart(
        &mut self,
        of: &Value,
        method: Method,
        arguments: Arguments,
    ) -> Result<Value, String> {
        let mut arguments = arguments.into_iter();
        let parts = match of {
            Value::Multipart => self.multipart.as_mut(),
            _ => None,
        };
        let parts = parts.ok_or_else(|| {
            format!(
                "attempt to call a method of '_multipart' on a {} value",
                of.type_name()
            )
        })?;
        if method == Method::ToText {
            let written = parts.write();
            self.spend_bytes(written.len())?;
            return Ok(Value::text(written));
        }
        let name = text(&arguments.next().unwrap_or_default())?;
        let name = String::from_utf8_lossy(&name).into_owned();
        match method {
            Method::Get => {
                let Some(found) = parts.get(&name) else {
                    return Ok(Value::Nil);
                };
                let fields = [
                    ("name".into(), Value::text(name)),
                    ("value".into(), Value::text(found)),
                ];
                Ok(Value::object(Fields::from(fields)))
            }
            Method::Delete => {
                parts.delete(&name);
                Ok(Value::Nil)
            }
            _ => {
                let value = text(&arguments.next().unwrap_or_default())?;
                parts.set(&name, Bytes::copy_from_slice(&value))?;
                self.spend_bytes(value.len())?;
                Ok(Value::Nil)
            }
        }
    }
}

/// A text or a number, as a text.
fn text(value: &Value) -> Result<std::sync::Arc<[u8]>, String> {
    let text = value.as_text();
    text.ok_or_else(|| format!("expected a text, got {}", value.type_name()))
}

fn place(value: &Value, default: i64) -> Result<i64, String> {
    match value {
        Value::Nil => Ok(default),
        Value::Integer(place) => Ok(*place),
        other => Err(format!("expected a place, got {}", other.type_name())),
    }
}

/// `string.sub`: places count from 1, and from the end when they are negative.
fn sub(text: &[u8], from: i64, to: i64) -> &[u8] {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let absolute = |place: i64| {
        if place < 0 {
            length.saturating_add(place).saturating_add(1)
        } else {
            place
        }
    };
    let (from, to) = (absolute(from).max(1), absolute(to).min(length));
    if from > to {
        return &[];
    }
    let from = usize::try_from(from - 1).unwrap_or(usize::MAX);
    let to = usize::try_from(to).unwrap_or(usize::MAX);
    text.get(from..to).unwrap_or_default()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

pub(super) const XML: [(u8, &str); 5] = [
    (b'&', "&amp;"),
    (b'<', "&lt;"),
    (b'>', "&gt;"),
    (b'\'', "&apos;"),
    (b'"', "&quot;"),
];
pub(super) const HTML: [(u8, &str); 6] = [
    (b'&', "&amp;"),
    (b'<', "&lt;"),
    (b'>', "&gt;"),
    (b'"', "&quot;"),
    (b'\'', "&#39;"),
    (b'/', "&#47;"),
];
pub(super) const BRACES: [(u8, &str); 2] = [(b'{', "&#123;"), (b'}', "&#125;")];

/// A text with characters replaced.
pub(super) fn escape(text: &[u8], table: &[(u8, &str)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match table.iter().find(|(special, _)| special == byte) {
            Some((_, entity)) => out.extend_from_slice(entity.as_bytes()),
            None => out.push(*byte),
        }
    }
    out
}
