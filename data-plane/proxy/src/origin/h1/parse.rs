//! The head of a node's answer: strict and bounded.
//!
//! Whatever could make two readers of one byte stream disagree about where a message ends is
//! refused (RFC 9112 sections 6.1, 6.3): both framings at once, differing lengths, codings other
//! than `chunked`, bare line feeds.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use memchr::memchr;
use std::mem::MaybeUninit;

use super::body::Decoder;
use crate::http::hop;

/// Header fields accepted in one head.
pub const MAX_FIELDS: usize = 128;
/// Bytes accepted in one head.
pub const MAX_HEAD: usize = 64 * 1024;

/// How every answer begins.
const PROTOCOL: &[u8] = b"HTTP/1.";

/// An answer's head as it goes on: hop-by-hop fields are gone.
#[derive(Debug)]
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// End-to-end fields.
    pub headers: HeaderMap,
    /// How the body is framed.
    pub body: Decoder,
    /// Length of the body, when the node told it. For HEAD and 304 it stays in `headers` only.
    pub length: Option<u64>,
    /// Whether the connection may carry another request after this answer.
    pub persistent: bool,
    /// Bytes of the head.
    pub size: usize,
}

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// More than [`MAX_HEAD`] bytes.
    #[error("head is larger than {MAX_HEAD} bytes")]
    TooLarge,
    /// More than [`MAX_FIELDS`] fields.
    #[error("head has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// A line that does not end in CR LF.
    #[error("line does not end in CR LF")]
    BareLineFeed,
    /// Not HTTP/1.x, or a field that is not allowed by the grammar.
    #[error("head is not HTTP/1.x")]
    Syntax,
    /// `Content-Length` is not a number, or is given twice with different values.
    #[error("content-length is not one number")]
    Length,
    /// `Transfer-Encoding` is something else than `chunked`, or stands beside `Content-Length`.
    #[error("transfer-encoding is not acceptable")]
    Coding,
    /// 101 although no upgrade was asked for.
    #[error("unasked upgrade")]
    Upgrade,
}

/// Finds the end of a head without reading any byte twice.
#[derive(Debug, Default)]
pub struct Scanner {
    scanned: usize,
    line_start: usize,
}

impl Scanner {
    /// Length of the head at the front of `buffer`, blank line included; `None` until it is whole.
    ///
    /// # Errors
    /// The head is too large, or has a bare line feed.
    pub fn find_end(&mut self, buffer: &[u8]) -> Result<Option<usize>, BadHead> {
        // Something else than HTTP is told at once, not when the read limit is over.
        if !buffer
            .iter()
            .zip(PROTOCOL)
            .all(|(came, expected)| came == expected)
        {
            return Err(BadHead::Syntax);
        }
        while let Some(at) = buffer
            .get(self.scanned..)
            .and_then(|rest| memchr(b'\n', rest))
        {
            let line_feed = self.scanned + at;
            let line = buffer
                .get(self.line_start..line_feed)
                .and_then(|line| line.strip_suffix(b"\r"))
                .ok_or(BadHead::BareLineFeed)?;
            if line_feed >= MAX_HEAD {
                return Err(BadHead::TooLarge);
            }
            let blank = line.is_empty() && self.line_start > 0;
            self.scanned = line_feed + 1;
            self.line_start = self.scanned;
            if blank {
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = buffer.len();
        if buffer.len() >= MAX_HEAD {
            return Err(BadHead::TooLarge);
        }
        Ok(None)
    }
}

/// Takes a whole head of `size` bytes off the front of `buffer`. `None` means an interim answer
/// (1xx), which is dropped.
///
/// # Errors
/// Why the answer is refused; the connection must then be closed.
pub fn take_head(
    buffer: &mut BytesMut,
    size: usize,
    asked: &Method,
) -> Result<Option<Head>, BadHead> {
    let bytes = buffer.split_to(size).freeze();
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, &bytes, &mut fields)
        .map_err(|error| match error {
            httparse::Error::TooManyHeaders => BadHead::TooManyFields,
            _ => BadHead::Syntax,
        })?;
    if status != httparse::Status::Complete(size) {
        return Err(BadHead::Syntax);
    }
    let status = parsed
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(BadHead::Syntax)?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(BadHead::Upgrade);
    }
    if status.is_informational() {
        return Ok(None);
    }
    let modern = parsed.version == Some(1);
    let mut framing = FramingFields::default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadHead::Syntax)?;
        if framing.read(&name, field.value)? || hop::is_hop_by_hop(&name) {
            continue;
        }
        headers.append(name, shared_value(&bytes, field.value)?);
    }
    hop::remove_named(&mut headers, &framing.connection);
    framing
        .finish(status, asked, modern, headers, size)
        .map(Some)
}

/// A header value that shares memory with the head it stands in.
fn shared_value(head: &Bytes, value: &[u8]) -> Result<HeaderValue, BadHead> {
    HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| BadHead::Syntax)
}

/// What the fields say about where the message ends.
#[derive(Default)]
struct FramingFields {
    length: Option<u64>,
    chunked: bool,
    connection: Vec<HeaderName>,
    close: bool,
    keep_alive: bool,
}

impl FramingFields {
    /// Whether the field is about framing and does not go on.
    fn read(&mut self, name: &HeaderName, value: &[u8]) -> Result<bool, BadHead> {
        if name == header::CONTENT_LENGTH {
            let length = parse_length(value).ok_or(BadHead::Length)?;
            if self.length.is_some_and(|known| known != length) {
                return Err(BadHead::Length);
            }
            self.length = Some(length);
        } else if name == header::TRANSFER_ENCODING {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(BadHead::Coding);
            }
            self.chunked = true;
        } else if name == header::CONNECTION {
            hop::each_token(value, |token| {
                if token.eq_ignore_ascii_case(b"close") {
                    self.close = true;
                } else if token.eq_ignore_ascii_case(b"keep-alive") {
                    self.keep_alive = true;
                } else if let Ok(name) = HeaderName::from_bytes(token) {
                    self.connection.push(name);
                }
            });
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn finish(
        self,
        status: StatusCode,
        asked: &Method,
        modern: bool,
        mut headers: HeaderMap,
        size: usize,
    ) -> Result<Head, BadHead> {
        if self.chunked && (self.length.is_some() || !modern) {
            return Err(BadHead::Coding);
        }
        let bodiless = asked == Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        let (body, length) = match (bodiless, self.chunked, self.length) {
            (true, _, _) => (Decoder::done(), Some(0)),
            (false, true, _) => (Decoder::chunked(), None),
            (false, false, Some(length)) => (Decoder::length(length), Some(length)),
            (false, false, None) => (Decoder::until_close(), None),
        };
        if !self.chunked {
            headers.remove(header::TRAILER);
        }
        if let Some(length) = self.length
            && status != StatusCode::NO_CONTENT
        {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let alive = if modern {
            !self.close
        } else {
            self.keep_alive && !self.close
        };
        let persistent = alive && !body.ends_with_connection();
        Ok(Head {
            status,
            headers,
            body,
            length,
            persistent,
            size,
        })
    }
}

/// Digits only, no sign, no list, no overflow.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
