//! The head of a request: one reading, by the rules of RFC 9110 and 9112, or none.
//!
//! Whatever two readers of one byte stream could take differently is refused, and the refusal says
//! which rule was broken. What is checked of `Host` is checked once for all versions of HTTP
//! (`http/request.rs`).

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Version, request};
use memchr::{memchr, memchr_iter, memmem};

use super::target;
use crate::error::{Reason, Refusal};
use crate::gateway::Limits;
use crate::h1::body::{Bounds, Decoder};
use crate::h1::field;
use crate::h1::scan::{self, BadLines, Scanner};
use crate::http::hop;

/// Bytes of a method: several times those of any that is registered.
const MAX_METHOD: usize = 48;
/// Bytes of the first line beside its target, when that is as long as it may be.
const LINE_EXTRA: usize = 64;
/// Fields that room is made for beforehand: as many as there are, up to some, and those that are added
/// on the way.
const MOST_FORESEEN: usize = 100;
const OWN_FIELDS: usize = 5;

/// A request's head.
#[derive(Debug)]
pub struct Head {
    /// Method, target, version and all fields.
    pub parts: request::Parts,
    /// How the body is framed.
    pub body: Decoder,
    /// Whether the client keeps the connection.
    pub keep_alive: bool,
    /// Whether the client waits for 100 before it sends the body.
    pub expects_continue: bool,
    /// Whether the client takes trailers.
    pub takes_trailers: bool,
}

/// A request that is refused, with as much of its head as was understood.
#[derive(Debug)]
pub struct Bad {
    /// Why.
    pub refusal: Refusal,
    /// What is known of it, for the log.
    pub parts: request::Parts,
}

impl Bad {
    /// A refusal of bytes that did not become a head.
    #[must_use]
    pub fn new(refusal: Refusal) -> Box<Self> {
        let parts = Request::new(()).into_parts().0;
        Box::new(Self { refusal, parts })
    }

    /// Whether a client that says this first speaks no HTTP/1, so that an answer in it would be noise
    /// to it. It may have meant HTTP/2, whose broken preface ends the connection, and needs no word
    /// (RFC 9113 section 3.4).
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.refusal == FOREIGN
    }
}

const fn bad(detail: &'static str) -> Refusal {
    Refusal {
        reason: Reason::BadRequest,
        detail,
    }
}

/// Length of the head at the front of `buffer`, blank line included; `None` until it is whole. An
/// empty line before it must have been taken off. What can be told early is told early: a limit
/// holds before its bytes are there.
///
/// # Errors
/// No request begins like this.
pub fn find_end(
    scanner: &mut Scanner,
    buffer: &[u8],
    limits: &Limits,
) -> Result<Option<usize>, Refusal> {
    match buffer.first() {
        Some(b'\r' | b'\n') => return Err(bad("more than one empty line before the request")),
        Some(first) if !field::is_token(*first) => {
            return Err(bad("request does not begin with a method"));
        }
        _ => {}
    }
    let found = scanner.find_end(buffer, limits.header_bytes);
    let first_line = scanner.is_in_first_line();
    match found {
        Ok(None) if first_line && buffer.len() > limits.uri_length + LINE_EXTRA => {
            Err(Reason::UriTooLong.into())
        }
        // Another protocol, or HTTP/0.9, may wait for an answer after one line.
        Ok(None) if !first_line => match first_line_of(buffer) {
            line if is_foreign(line) => Err(FOREIGN),
            line if !names_version(line) => Err(FORM),
            _ => Ok(None),
        },
        Ok(found) => Ok(found),
        Err(BadLines::TooLarge) if first_line => Err(Reason::UriTooLong.into()),
        Err(BadLines::TooLarge) => Err(Reason::HeadTooLarge.into()),
        Err(BadLines::BareLineFeed) => Err(bad("line does not end in CR LF")),
    }
}

const FORM: Refusal = bad("request line is not method, target and version");
const FOREIGN: Refusal = bad("neither HTTP/1 nor HTTP/2: three words without a slash");

/// The first line, once it is complete.
fn first_line_of(buffer: &[u8]) -> &[u8] {
    let end = memchr(b'\n', buffer).unwrap_or(buffer.len());
    buffer.get(..end).unwrap_or_default()
}

/// Whether a first line has a version.
fn names_version(line: &[u8]) -> bool {
    memmem::find(line, b" HTTP/").is_some()
}

/// Whether a line of three words is none of HTTP/1, where the version has a slash and nearly every
/// target too.
fn is_foreign(line: &[u8]) -> bool {
    memchr(b'/', line).is_none() && line.split(|byte| *byte == b' ').count() == 3
}

/// Takes a whole head of `size` bytes off the front of `buffer`.
///
/// # Errors
/// Why the request is refused; nothing that follows it on the connection may be read.
pub fn take_head(buffer: &mut BytesMut, size: usize, limits: &Limits) -> Result<Head, Box<Bad>> {
    let bytes = scan::take(buffer, size);
    let mut parts = Request::new(()).into_parts().0;
    match read(&bytes, &mut parts, limits) {
        Ok(framing) => Ok(Head {
            body: framing.body(limits),
            keep_alive: framing.keeps_alive(parts.version),
            expects_continue: framing.expects,
            takes_trailers: framing.trailers,
            parts,
        }),
        Err(refusal) => Err(Box::new(Bad { refusal, parts })),
    }
}

fn read(bytes: &Bytes, parts: &mut request::Parts, limits: &Limits) -> Result<Framing, Refusal> {
    let mut lines = Lines(bytes);
    let line = lines.next().unwrap_or_default();
    read_line(bytes, line, parts, limits)?;
    let mut framing = Framing::default();
    let foreseen = memchr_iter(b'\n', bytes).count().min(MOST_FORESEEN);
    parts.headers.reserve(foreseen + OWN_FIELDS);
    for (count, line) in lines.enumerate() {
        if count >= limits.header_count {
            return Err(Reason::HeadTooLarge.into());
        }
        let (name, value) = field::split(line).map_err(|error| bad(error.as_str()))?;
        framing.read(&name, value, parts.version)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(value))
            .map_err(|_| bad("control character in a field value"))?;
        parts.headers.append(name, value);
    }
    framing.check(parts.version)?;
    if parts.version == Version::HTTP_11 && !parts.headers.contains_key(header::HOST) {
        return Err(bad("host is missing"));
    }
    Ok(framing)
}

/// Lines up to the blank one, each without its CR LF.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.0.split_at_checked(memchr(b'\n', self.0)? + 1)?;
        self.0 = rest;
        line.strip_suffix(b"\r\n").filter(|line| !line.is_empty())
    }
}

fn read_line(
    bytes: &Bytes,
    line: &[u8],
    parts: &mut request::Parts,
    limits: &Limits,
) -> Result<(), Refusal> {
    let (method, rest) = cut(line).ok_or(FORM)?;
    let (target, version) = cut(rest).ok_or(FORM)?;
    if target.is_empty() || version.contains(&b' ') {
        return Err(FORM);
    }
    if method.len() > MAX_METHOD {
        return Err(bad("method is longer than 48 bytes"));
    }
    parts.method = Method::from_bytes(method).map_err(|_| bad("method is not a token"))?;
    if target.len() > limits.uri_length {
        return Err(Reason::UriTooLong.into());
    }
    parts.version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Reason::VersionUnsupported.into());
        }
        _ if is_foreign(line) => return Err(FOREIGN),
        _ => return Err(bad("version is not HTTP/ and two digits")),
    };
    parts.uri = target::parse(&parts.method, &bytes.slice_ref(target)).map_err(bad)?;
    Ok(())
}

/// What stands before the first blank, and after it.
fn cut(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    Some((before, rest.get(1..)?))
}

/// What the fields say about where the message ends, and what comes after.
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects: bool,
    trailers: bool,
}

impl Framing {
    fn read(&mut self, name: &HeaderName, value: &[u8], version: Version) -> Result<(), Refusal> {
        if name == header::CONTENT_LENGTH {
            if self.length.is_some() {
                return Err(bad("content-length is given twice"));
            }
            let length = field::parse_length(value);
            self.length = Some(length.ok_or(bad("content-length is not one number"))?);
        } else if name == header::TRANSFER_ENCODING {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(bad("transfer-encoding is not chunked, once"));
            }
            self.chunked = true;
        } else if name == header::CONNECTION {
            hop::each_token(value, |token| {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            });
        } else if name == header::TE {
            self.trailers |= hop::says_trailers(value);
        } else if name == header::EXPECT && version == Version::HTTP_11 {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Reason::ExpectationFailed.into());
            }
            self.expects = true;
        }
        Ok(())
    }

    fn check(&self, version: Version) -> Result<(), Refusal> {
        if self.chunked && self.length.is_some() {
            return Err(bad("content-length beside transfer-encoding"));
        }
        if self.chunked && version != Version::HTTP_11 {
            return Err(bad("transfer-encoding in HTTP/1.0"));
        }
        Ok(())
    }

    fn body(&self, limits: &Limits) -> Decoder {
        match self.length {
            Some(length) => Decoder::length(length),
            None if self.chunked => Decoder::chunked(Bounds {
                extension: limits.chunk_extension,
                trailer_bytes: limits.trailer_bytes,
                trailer_count: limits.trailer_count,
            }),
            None => Decoder::done(),
        }
    }

    fn keeps_alive(&self, version: Version) -> bool {
        !self.close && (self.keep_alive || version == Version::HTTP_11)
    }
}

#[cfg(test)]
mod tests;
