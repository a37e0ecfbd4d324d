//! The head of a request to a node, written from parsed parts only: nothing of the client's bytes
//! goes through unseen.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap};
use http::{HeaderValue, Method};

use crate::h1::field;
use crate::http::hop;

/// Parts of a request head.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path and query, percent-encoded; what may not stand in a request line is encoded here.
    pub uri: &'a str,
    /// `Host`.
    pub host: &'a HeaderValue,
    /// Other fields; hop-by-hop and framing fields among them are left out.
    pub headers: &'a HeaderMap,
    /// Length of the body; `None` means chunked.
    pub length: Option<u64>,
    /// Whether the connection is to become a WebSocket.
    pub upgrade: bool,
}

/// Writes a head, blank line included.
pub fn put(parts: &Parts<'_>, out: &mut BytesMut) {
    out.reserve(512);
    out.put_slice(parts.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(clean(parts.uri).as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    field::put(b"host", parts.host.as_bytes(), out);
    for (name, value) in parts.headers {
        let skipped = name == header::HOST
            || name == header::CONTENT_LENGTH
            || name == header::EXPECT
            || (name == header::TRAILER && parts.length.is_some())
            || hop::is_hop_by_hop(name);
        if !skipped {
            field::put(name.as_str().as_bytes(), value.as_bytes(), out);
        }
    }
    if parts.upgrade {
        out.put_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    }
    match parts.length {
        None => out.put_slice(b"transfer-encoding: chunked\r\n"),
        Some(0) if !expects_body(parts.method) => {}
        Some(length) => field::put(b"content-length", HeaderValue::from(length).as_bytes(), out),
    }
    out.put_slice(b"\r\n");
}

/// Methods whose empty body is told (RFC 9110 section 8.6).
pub(in crate::origin) fn expects_body(method: &Method) -> bool {
    *method == Method::POST || *method == Method::PUT || *method == Method::PATCH
}

/// The target as it may stand in a request: it begins with a slash, and every byte is visible.
pub(in crate::origin) fn clean(uri: &str) -> Cow<'_, str> {
    let whole = uri.starts_with('/') || uri == "*";
    if whole && uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(uri);
    }
    let mut cleaned = String::with_capacity(uri.len() + 16);
    if !whole {
        cleaned.push('/');
    }
    for byte in uri.bytes() {
        if byte.is_ascii_graphic() {
            cleaned.push(char::from(byte));
        } else {
            // Writing into memory cannot fail.
            let _ = write!(cleaned, "%{byte:02X}");
        }
    }
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        method: Method,
        uri: &str,
        fields: &[(&'static str, &'static str)],
        length: Option<u64>,
    ) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let mut out = BytesMut::new();
        let parts = Parts {
            method: &method,
            uri,
            host: &HeaderValue::from_static("node"),
            headers: &headers,
            length,
            upgrade: false,
        };
        put(&parts, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn framing_and_hop_by_hop_fields_are_our_own() {
        let fields = [
            ("host", "client"),
            ("content-length", "99"),
            ("transfer-encoding", "gzip"),
            ("te", "trailers"),
            ("x-a", "1"),
        ];
        assert_eq!(
            written(Method::PUT, "/a?b", &fields, Some(3)),
            "PUT /a?b HTTP/1.1\r\nhost: node\r\nx-a: 1\r\ncontent-length: 3\r\n\r\n"
        );
        assert!(written(Method::PUT, "/", &[], None).contains("transfer-encoding: chunked\r\n"));
    }

    #[test]
    fn nothing_can_break_out_of_the_request_line() {
        let head = written(Method::GET, "/a b\r\nX: 1", &[], Some(0));
        assert!(
            head.starts_with("GET /a%20b%0D%0AX:%201 HTTP/1.1\r\n"),
            "{head}"
        );
    }

    #[test]
    fn empty_body_is_told_for_post_only() {
        assert!(written(Method::POST, "/", &[], Some(0)).contains("content-length: 0\r\n"));
        assert!(!written(Method::GET, "/", &[], Some(0)).contains("content-length"));
    }
}
