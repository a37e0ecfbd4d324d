//! The head of an answer, and how its body is framed (RFC 9112 section 6).

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};
use weir_plugin_api::text::Decimal;

use crate::h1::field;
use crate::respond;

/// Where the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Bodiless,
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// What of the request decides how its answer is written.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
    /// Whether trailers are welcome.
    pub(super) trailers: bool,
}

impl Asked {
    /// How a body goes out whose length is known, or not.
    pub(super) fn framing(&self, status: StatusCode, length: Option<u64>) -> Framing {
        if !respond::has_body(status, &self.method) {
            return Framing::Bodiless;
        }
        match length {
            Some(length) => Framing::Length(length),
            None if self.version == Version::HTTP_11 => Framing::Chunked,
            None => Framing::Close,
        }
    }
}

/// Whether fields of an answer ask for the end of the connection.
pub(super) fn says_close(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONNECTION).iter();
    values.any(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// Writes the head of a final answer; `keep` is whether the connection is kept.
pub(super) fn put(
    status: StatusCode,
    headers: &HeaderMap,
    asked: &Asked,
    framing: Framing,
    keep: bool,
    date: &HeaderValue,
    out: &mut BytesMut,
) {
    out.reserve(256);
    put_status(status, out);
    // Of an answer that has no body, the length is what another request would get.
    let told = framing == Framing::Bodiless
        && (asked.method == Method::HEAD || status == StatusCode::NOT_MODIFIED);
    let mut dated = false;
    for (name, value) in headers {
        dated |= name == header::DATE;
        let skipped = name == header::CONNECTION
            || name == header::TRANSFER_ENCODING
            || (name == header::CONTENT_LENGTH && !told)
            || (name == header::TRAILER && framing != Framing::Chunked);
        if !skipped {
            field::put(name.as_str().as_bytes(), value.as_bytes(), out);
        }
    }
    match framing {
        Framing::Bodiless | Framing::Close => {}
        Framing::Chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Length(length) => put_length(length, out),
    }
    if !dated {
        field::put(b"date", date.as_bytes(), out);
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        out.put_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    } else if !keep {
        out.put_slice(b"connection: close\r\n");
    } else if asked.version == Version::HTTP_10 {
        out.put_slice(b"connection: keep-alive\r\n");
    }
    out.put_slice(b"\r\n");
}

/// Writes an interim answer.
pub(super) fn put_interim(status: StatusCode, headers: &HeaderMap, out: &mut BytesMut) {
    put_status(status, out);
    for (name, value) in headers {
        field::put(name.as_str().as_bytes(), value.as_bytes(), out);
    }
    out.put_slice(b"\r\n");
}

fn put_status(status: StatusCode, out: &mut BytesMut) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.put_slice(b"\r\n");
}

fn put_length(length: u64, out: &mut BytesMut) {
    out.put_slice(b"content-length: ");
    out.put_slice(Decimal::new(length).as_bytes());
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, version: Version) -> Asked {
        Asked {
            method,
            version,
            trailers: false,
        }
    }

    fn written(asked: &Asked, status: u16, length: Option<u64>, keep: bool) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from_static("7"));
        headers.insert("trailer", HeaderValue::from_static("x"));
        headers.insert("connection", HeaderValue::from_static("x-a"));
        headers.insert("x-a", HeaderValue::from_static("1"));
        let status = StatusCode::from_u16(status).unwrap();
        let framing = asked.framing(status, length);
        let date = HeaderValue::from_static("now");
        let mut out = BytesMut::new();
        put(status, &headers, asked, framing, keep, &date, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn body_is_framed_in_one_way_only() {
        let get = asked(Method::GET, Version::HTTP_11);
        assert_eq!(
            written(&get, 200, Some(5), true),
            "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\ndate: now\r\n\r\n"
        );
        assert_eq!(
            written(&get, 200, None, false),
            "HTTP/1.1 200 OK\r\ntrailer: x\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\
             date: now\r\nconnection: close\r\n\r\n"
        );
        let old = asked(Method::GET, Version::HTTP_10);
        assert_eq!(old.framing(StatusCode::OK, None), Framing::Close);
        assert!(written(&old, 200, Some(5), true).contains("connection: keep-alive\r\n"));
        assert!(!written(&old, 200, None, false).contains("chunked"));
    }

    #[test]
    fn answers_without_body_have_no_framing() {
        let get = asked(Method::GET, Version::HTTP_11);
        assert_eq!(
            written(&get, 204, Some(5), true),
            "HTTP/1.1 204 No Content\r\nx-a: 1\r\ndate: now\r\n\r\n"
        );
        // What the length would be is told all the same.
        let head = asked(Method::HEAD, Version::HTTP_11);
        for told in [
            written(&get, 304, None, true),
            written(&head, 200, None, true),
        ] {
            assert!(told.contains("content-length: 7\r\n"), "{told}");
            assert!(!told.contains("chunked"), "{told}");
        }
    }
}
