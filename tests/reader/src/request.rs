//! Requests (RFC 9112 section 3).

use crate::grammar::{host, line, token};
use crate::{Chunked, Fault, Fields, Framing, Read, chunked};

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// Method.
    pub method: String,
    /// Target as it was sent.
    pub target: String,
    /// Minor version.
    pub minor: u8,
    /// Fields.
    pub fields: Fields,
    /// How the body is framed.
    pub framing: Framing,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its head.
    pub head: RequestHead,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Fields,
}

/// Reads a request.
#[must_use]
pub fn request(input: &[u8]) -> Read<Request> {
    let (head, size) = match request_head(input) {
        Read::Whole(head, size) => (head, size),
        Read::Partial => return Read::Partial,
        Read::Refused(fault) => return Read::Refused(fault),
    };
    let rest = input.get(size..).unwrap_or_default();
    let whole = |head, Chunked { body, trailers }, more| {
        let request = Request {
            head,
            body,
            trailers,
        };
        Read::Whole(request, size + more)
    };
    match head.framing {
        Framing::None | Framing::Close => whole(head, Chunked::default(), 0),
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(body) = rest.get(..length) else {
                return Read::Partial;
            };
            let body = Chunked {
                body: body.to_vec(),
                trailers: Fields::default(),
            };
            whole(head, body, length)
        }
        Framing::Chunked => match chunked(rest) {
            Read::Whole(body, more) => whole(head, body, more),
            Read::Partial => Read::Partial,
            Read::Refused(fault) => Read::Refused(fault),
        },
    }
}

/// Reads the head of a request. One empty line may stand before it (RFC 9112 section 2.2).
#[must_use]
pub fn request_head(input: &[u8]) -> Read<RequestHead> {
    let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
    let (start, size) = match line(input.get(skipped..).unwrap_or_default()) {
        Read::Whole(text, size) => (text, skipped + size),
        Read::Partial => return Read::Partial,
        Read::Refused(fault) => return Read::Refused(fault),
    };
    let (method, target, minor) = match start_line(start) {
        Ok(start) => start,
        Err(fault) => return Read::Refused(fault),
    };
    let (fields, more) = match Fields::read(input.get(size..).unwrap_or_default()) {
        Read::Whole(fields, size) => (fields, size),
        Read::Partial => return Read::Partial,
        Read::Refused(fault) => return Read::Refused(fault),
    };
    let checked = framing(&fields, minor).and_then(|framing| {
        authority(&fields, method, target, minor)?;
        Ok(framing)
    });
    match checked {
        Ok(framing) => {
            let head = RequestHead {
                method: method.to_owned(),
                target: target.to_owned(),
                minor,
                fields,
                framing,
            };
            Read::Whole(head, size + more)
        }
        Err(fault) => Read::Refused(fault),
    }
}

/// `method SP target SP HTTP-version`, one space each.
fn start_line(text: &[u8]) -> Result<(&str, &str, u8), Fault> {
    let text = std::str::from_utf8(text).map_err(|_| "request line is not ASCII")?;
    let mut words = text.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("request line is not three words");
    };
    if !token(method.as_bytes()) {
        return Err("method is not a token");
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("target has a character that no URI has");
    }
    let minor = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        _ => return Err("version is not HTTP/1.1 or HTTP/1.0"),
    };
    Ok((method, target, minor))
}

fn framing(fields: &Fields, minor: u8) -> Result<Framing, Fault> {
    let chunked = fields.is_chunked()?;
    let lengths = fields.lengths()?;
    match (chunked, lengths.as_slice()) {
        (true, _) if minor == 0 => Err("transfer-encoding in HTTP/1.0"),
        (true, []) => Ok(Framing::Chunked),
        (true, _) => Err("content-length beside transfer-encoding"),
        (false, []) => Ok(Framing::None),
        (false, [length]) => Ok(Framing::Length(*length)),
        (false, _) => Err("content-length is given twice"),
    }
}

/// The forms of a target (RFC 9112 section 3.2), and that the message has one host.
fn authority(fields: &Fields, method: &str, target: &str, minor: u8) -> Result<(), Fault> {
    let hosts: Vec<_> = fields.all("host").collect();
    match hosts.as_slice() {
        [] if minor == 0 => {}
        [] => return Err("host is missing"),
        [one] => host(one)?,
        _ => return Err("host is given twice"),
    }
    if target.contains('#') {
        return Err("target has a fragment");
    }
    if method == "CONNECT" {
        return match target.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && !port.is_empty() => host(target.as_bytes()),
            _ => Err("target of CONNECT is not host and port"),
        };
    }
    if target == "*" {
        return if method == "OPTIONS" {
            Ok(())
        } else {
            Err("asterisk outside of OPTIONS")
        };
    }
    if target.starts_with('/') {
        return Ok(());
    }
    let (scheme, rest) = target
        .split_once("://")
        .ok_or("target is neither a path nor a URI")?;
    if !["http", "https"]
        .iter()
        .any(|good| scheme.eq_ignore_ascii_case(good))
    {
        return Err("scheme of the target is not HTTP");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let named = rest.get(..end).unwrap_or_default();
    if named.is_empty() {
        return Err("target has no host");
    }
    host(named.as_bytes())?;
    let port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    match hosts.first() {
        Some(host) if !is_same(named.as_bytes(), host, port.as_bytes()) => {
            Err("host and target name different hosts")
        }
        _ => Ok(()),
    }
}

/// Whether two hosts are one, in any case, with or without the port of the scheme.
fn is_same(one: &[u8], other: &[u8], port: &[u8]) -> bool {
    let bare = |host: &[u8]| {
        let host = host.to_ascii_lowercase();
        let cut = host.strip_suffix(port).or_else(|| host.strip_suffix(b":"));
        cut.map(<[u8]>::to_vec).unwrap_or(host)
    };
    bare(one) == bare(other)
}
