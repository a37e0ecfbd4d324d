//! The chunked coding (RFC 9112 section 7.1), without the repairs that it allows.

use crate::grammar::{is_text, is_token, line, token};
use crate::{Fault, Fields, Read};

/// A body in chunks, read whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunked {
    /// What the chunks hold.
    pub body: Vec<u8>,
    /// The trailers, all of them.
    pub trailers: Fields,
}

/// Reads chunks, the last chunk and the trailers.
#[must_use]
pub fn chunked(input: &[u8]) -> Read<Chunked> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let (text, size) = match line(rest) {
            Read::Whole(text, size) => (text, size),
            Read::Partial => return Read::Partial,
            Read::Refused(fault) => return Read::Refused(fault),
        };
        let length = match chunk_line(text) {
            Ok(length) => length,
            Err(fault) => return Read::Refused(fault),
        };
        at += size;
        let rest = input.get(at..).unwrap_or_default();
        if length == 0 {
            return match Fields::read(rest) {
                Read::Whole(trailers, size) => Read::Whole(Chunked { body, trailers }, at + size),
                Read::Partial => Read::Partial,
                Read::Refused(fault) => Read::Refused(fault),
            };
        }
        let Some(data) = usize::try_from(length)
            .ok()
            .and_then(|size| rest.get(..size))
        else {
            return Read::Partial;
        };
        match rest.get(data.len()..data.len() + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Read::Refused("chunk is longer than its size"),
            None => {
                return match rest.get(data.len()) {
                    None | Some(b'\r') => Read::Partial,
                    Some(_) => Read::Refused("chunk is longer than its size"),
                };
            }
        }
        body.extend_from_slice(data);
        at += data.len() + 2;
    }
}

/// `chunk-size [ chunk-ext ]`. Fifteen digits are more than any body has.
fn chunk_line(text: &[u8]) -> Result<u64, Fault> {
    let digits = text
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit())
        .unwrap_or(text.len());
    let (size, extensions) = text.split_at(digits);
    if size.is_empty() {
        return Err("chunk size is missing");
    }
    if size.len() > 15 {
        return Err("chunk size is too large");
    }
    extension(extensions)?;
    let size = std::str::from_utf8(size).map_err(|_| "chunk size is not ASCII")?;
    u64::from_str_radix(size, 16).map_err(|_| "chunk size is not a number")
}

/// `*( ";" name [ "=" ( token / quoted-string ) ] )`, without the blanks that senders may not write.
fn extension(mut text: &[u8]) -> Result<(), Fault> {
    while !text.is_empty() {
        let rest = text
            .strip_prefix(b";")
            .ok_or("chunk size is followed by something else than an extension")?;
        let end = span(rest, is_token);
        let (name, rest) = rest.split_at(end);
        if !token(name) {
            return Err("chunk extension has no name");
        }
        text = match rest.strip_prefix(b"=") {
            None => rest,
            Some(value) => match value.strip_prefix(b"\"") {
                Some(quoted) => after_quoted(quoted)?,
                None => {
                    let end = span(value, is_token);
                    if end == 0 {
                        return Err("chunk extension has no value");
                    }
                    value.get(end..).unwrap_or_default()
                }
            },
        };
    }
    Ok(())
}

/// What follows a quoted string whose first quote was taken.
fn after_quoted(text: &[u8]) -> Result<&[u8], Fault> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        if !is_text(*byte) {
            return Err("chunk extension has a control character");
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(text.get(at + 1..).unwrap_or_default()),
            _ => {}
        }
    }
    Err("quoted value of a chunk extension does not end")
}

fn span(text: &[u8], good: impl Fn(u8) -> bool) -> usize {
    text.iter()
        .position(|byte| !good(*byte))
        .unwrap_or(text.len())
}
