//! Answers (RFC 9112 sections 4 and 6.3).

use crate::grammar::{is_text, line};
use crate::{Chunked, Fault, Fields, Framing, Read, chunked};

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status.
    pub status: u16,
    /// Minor version.
    pub minor: u8,
    /// Fields.
    pub fields: Fields,
    /// How the body is framed.
    pub framing: Framing,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its head.
    pub head: ResponseHead,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Fields,
}

/// Reads an answer to the method `asked`. `ended`: no more bytes will come.
#[must_use]
pub fn response(input: &[u8], asked: &str, ended: bool) -> Read<Response> {
    let (head, size) = match response_head(input, asked) {
        Read::Whole(head, size) => (head, size),
        Read::Partial => return Read::Partial,
        Read::Refused(fault) => return Read::Refused(fault),
    };
    let rest = input.get(size..).unwrap_or_default();
    let (body, more) = match head.framing {
        Framing::None => (Chunked::default(), 0),
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            match rest.get(..length) {
                Some(body) => (plain(body), length),
                None => return Read::Partial,
            }
        }
        Framing::Chunked => match chunked(rest) {
            Read::Whole(body, more) => (body, more),
            Read::Partial => return Read::Partial,
            Read::Refused(fault) => return Read::Refused(fault),
        },
        Framing::Close if ended => (plain(rest), rest.len()),
        Framing::Close => return Read::Partial,
    };
    let response = Response {
        head,
        body: body.body,
        trailers: body.trailers,
    };
    Read::Whole(response, size + more)
}

fn plain(body: &[u8]) -> Chunked {
    Chunked {
        body: body.to_vec(),
        trailers: Fields::default(),
    }
}

/// Reads the head of an answer to the method `asked`.
#[must_use]
pub fn response_head(input: &[u8], asked: &str) -> Read<ResponseHead> {
    let (start, size) = match line(input) {
        Read::Whole(text, size) => (text, size),
        Read::Partial => return Read::Partial,
        Read::Refused(fault) => return Read::Refused(fault),
    };
    let (status, minor) = match status_line(start) {
        Ok(start) => start,
        Err(fault) => return Read::Refused(fault),
    };
    let (fields, more) = match Fields::read(input.get(size..).unwrap_or_default()) {
        Read::Whole(fields, size) => (fields, size),
        Read::Partial => return Read::Partial,
        Read::Refused(fault) => return Read::Refused(fault),
    };
    match framing(&fields, status, minor, asked) {
        Ok(framing) => {
            let head = ResponseHead {
                status,
                minor,
                fields,
                framing,
            };
            Read::Whole(head, size + more)
        }
        Err(fault) => Read::Refused(fault),
    }
}

/// `HTTP-version SP 3DIGIT [ SP reason ]`: the last space is often forgotten, and says nothing.
fn status_line(text: &[u8]) -> Result<(u16, u8), Fault> {
    let rest = text
        .strip_prefix(b"HTTP/1.")
        .ok_or("answer does not begin with HTTP/1.")?;
    let (minor, rest) = match rest {
        [b'1', b' ', rest @ ..] => (1, rest),
        [b'0', b' ', rest @ ..] => (0, rest),
        _ => return Err("version is not HTTP/1.1 or HTTP/1.0"),
    };
    let (digits, reason) = rest
        .split_at_checked(3)
        .ok_or("status is not three digits")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err("status is not three digits");
    }
    let status = digits
        .iter()
        .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    if status < 100 {
        return Err("status is below 100");
    }
    match reason {
        [] => {}
        [b' ', reason @ ..] if reason.iter().copied().all(is_text) => {}
        _ => return Err("reason is not text"),
    }
    Ok((status, minor))
}

fn framing(fields: &Fields, status: u16, minor: u8, asked: &str) -> Result<Framing, Fault> {
    let chunked = fields.is_chunked()?;
    let lengths = fields.lengths()?;
    if chunked && !lengths.is_empty() {
        return Err("content-length beside transfer-encoding");
    }
    if chunked && minor == 0 {
        return Err("transfer-encoding in HTTP/1.0");
    }
    if lengths.windows(2).any(|pair| pair.first() != pair.last()) {
        return Err("content-length is given twice, and differs");
    }
    let bodiless = asked == "HEAD" || status < 200 || status == 204 || status == 304;
    Ok(match (bodiless, chunked, lengths.first()) {
        (true, _, _) => Framing::None,
        (false, true, _) => Framing::Chunked,
        (false, false, Some(length)) => Framing::Length(*length),
        (false, false, None) => Framing::Close,
    })
}
