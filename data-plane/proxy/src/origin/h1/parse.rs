//! The head of a node's answer: strict and bounded.
//!
//! Whatever could make two readers of one byte stream disagree about where a message ends is
//! refused (RFC 9112 sections 6.1, 6.3): both framings at once, differing lengths, codings other
//! than `chunked`, bare line feeds.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::mem::MaybeUninit;

use crate::h1::body::{Bounds, Decoder};
use crate::h1::field::parse_length;
use crate::h1::scan::{self, BadLines, Scanner};
use crate::http::{hop, upgrade};

/// Header fields accepted in one head.
pub const MAX_FIELDS: usize = 128;
/// Bytes accepted in one head.
pub const MAX_HEAD: usize = 64 * 1024;

/// What a chunked answer may have beside its body.
pub const CHUNKED: Bounds = Bounds {
    extension: 4 * 1024,
    trailer_bytes: 16 * 1024,
    trailer_count: 64,
};

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
    /// 101 that does not accept what was asked for.
    #[error("upgrade to something else than the websocket that was asked for")]
    Handshake,
}

impl From<BadLines> for BadHead {
    fn from(bad: BadLines) -> Self {
        match bad {
            BadLines::TooLarge => Self::TooLarge,
            BadLines::BareLineFeed => Self::BareLineFeed,
        }
    }
}

/// Length of the head at the front of `buffer`, blank line included; `None` until it is whole.
///
/// # Errors
/// The head is too large, has a bare line feed, or is something else than HTTP, which is told at
/// once, not when the read limit is over.
pub fn find_end(scanner: &mut Scanner, buffer: &[u8]) -> Result<Option<usize>, BadHead> {
    if !buffer
        .iter()
        .zip(PROTOCOL)
        .all(|(came, expected)| came == expected)
    {
        return Err(BadHead::Syntax);
    }
    Ok(scanner.find_end(buffer, MAX_HEAD)?)
}

/// What was asked, as far as it decides how the answer is read.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method.
    pub method: Method,
    /// What the answer must accept a WebSocket with, when one was asked for.
    pub accept: Option<upgrade::Accept>,
}

/// Takes a whole head of `size` bytes off the front of `buffer`. An interim answer (1xx) has no
/// body, and another head follows; 101 is not one: what follows it is no HTTP.
///
/// # Errors
/// Why the answer is refused; the connection must then be closed.
pub fn take_head(buffer: &mut BytesMut, size: usize, asked: &Asked) -> Result<Head, BadHead> {
    let bytes = scan::take(buffer, size);
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
    let modern = parsed.version == Some(1);
    let mut framing = FramingFields::default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadHead::Syntax)?;
        if framing.read(&name, field.value)? || hop::is_hop_by_hop(&name) {
            framing.upgrades |= name == header::UPGRADE && upgrade::is_websocket(field.value);
            continue;
        }
        headers.append(name, shared_value(&bytes, field.value)?);
    }
    hop::remove_named(&mut headers, &framing.connection);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return framing.switch(asked, modern, headers, size);
    }
    framing.finish(status, &asked.method, modern, headers, size)
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
    upgrades: bool,
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

    /// The head of a 101: only what was asked for, and only with all that belongs to it (RFC 6455
    /// section 4.1).
    fn switch(
        self,
        asked: &Asked,
        modern: bool,
        headers: HeaderMap,
        size: usize,
    ) -> Result<Head, BadHead> {
        let accept = asked.accept.as_ref().ok_or(BadHead::Upgrade)?;
        let agreed = modern
            && self.upgrades
            && self.connection.contains(&header::UPGRADE)
            && !self.chunked
            && self.length.is_none()
            && accept.is_in(&headers);
        if !agreed {
            return Err(BadHead::Handshake);
        }
        Ok(Head {
            status: StatusCode::SWITCHING_PROTOCOLS,
            headers,
            body: Decoder::until_close(),
            length: None,
            persistent: false,
            size,
        })
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
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        let (body, length) = match (bodiless, self.chunked, self.length) {
            (true, _, _) => (Decoder::done(), Some(0)),
            (false, true, _) => (Decoder::chunked(CHUNKED), None),
            (false, false, Some(length)) => (Decoder::length(length), Some(length)),
            (false, false, None) => (Decoder::until_close(), None),
        };
        if !self.chunked {
            headers.remove(header::TRAILER);
        }
        if let Some(length) = self.length
            && status != StatusCode::NO_CONTENT
            && !status.is_informational()
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
