//! The fields of a `multipart/form-data` body (RFC 7578), read in one go.

use memchr::memmem::Finder;
use serde_json::{Map, Value};

/// Bytes of the head of one part.
const MAX_HEAD: usize = 8 * 1024;
/// Parts that are looked at.
const MAX_PARTS: usize = 1000;

/// One part of a body.
#[derive(Debug)]
pub struct Part<'b> {
    /// Its header fields, without the blank line behind them.
    pub head: &'b str,
    /// Name of the form field that it is.
    pub name: Option<String>,
    /// What it holds.
    pub content: &'b [u8],
}

/// The fields by name; the last of a name counts. `None` when the body is not what it says.
pub(super) fn fields(body: &[u8], content_type: &str) -> Option<Value> {
    let mut fields = Map::new();
    for part in parts(body, content_type)? {
        if let Some(name) = part.name {
            fields.insert(name, Value::from(String::from_utf8_lossy(part.content)));
        }
    }
    Some(Value::Object(fields))
}

/// The boundary that a content type names.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let boundary = parameter(content_type, "boundary")?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The parts of a body, in their order, at most a thousand. `None` when the body is not what
/// `content_type` says.
#[must_use]
pub fn parts<'b>(body: &'b [u8], content_type: &str) -> Option<Vec<Part<'b>>> {
    let delimiter = format!("--{}", boundary(content_type)?);
    let first = Finder::new(delimiter.as_bytes()).find(body)?;
    if first > 0 && body.get(first - 1) != Some(&b'\n') {
        return None;
    }
    let separator = format!("\r\n{delimiter}");
    let (separator, blank) = (Finder::new(separator.as_bytes()), Finder::new(b"\r\n\r\n"));
    let mut rest = body.get(first + delimiter.len()..)?;
    let mut parts = Vec::new();
    for _ in 0..MAX_PARTS {
        if rest.starts_with(b"--") {
            break;
        }
        // What stands behind a delimiter on its line is padding. The line end stays: a part
        // without fields begins with its blank line at once.
        let start = rest.iter().position(|byte| *byte == b'\r')?;
        let part = rest.get(start..)?;
        let end = separator.find(part)?;
        let (part, behind) = part.split_at(end);
        parts.extend(part_of(part, &blank));
        rest = behind.get(2 + delimiter.len()..)?;
    }
    Some(parts)
}

/// One part, which begins with the line end of its delimiter; `None` when its head is not one.
fn part_of<'b>(part: &'b [u8], blank: &Finder<'_>) -> Option<Part<'b>> {
    let split = blank.find(part.get(..part.len().min(MAX_HEAD))?)?;
    let head = std::str::from_utf8(part.get(..split)?).ok()?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    });
    Some(Part {
        head: head.trim_start_matches("\r\n"),
        name: disposition.and_then(|value| parameter(value, "name")),
        content: part.get(split + 4..)?,
    })
}

/// A parameter of a header value such as `form-data; name="a"`.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = value.split_once(';')?;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let end = behind.find(';').unwrap_or(behind.len());
                let (value, behind) = behind.split_at(end);
                (value.trim().to_owned(), behind)
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind.trim_start().strip_prefix(';')?;
    }
}

/// A text up to its closing quote, and what stands behind.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}
