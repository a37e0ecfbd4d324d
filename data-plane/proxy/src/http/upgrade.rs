//! The handshake of WebSocket (RFC 6455 section 4): what a client asks, and what a node must answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use h2::ext::Protocol;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Version, request};
use sha1::{Digest, Sha1};

use super::hop;

/// Follows the key in what is hashed (RFC 6455 section 1.3).
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The one version that there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What a node must send in `Sec-WebSocket-Accept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept(String);

impl Accept {
    /// What accepts a request with these fields; `None` when they have no key.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
        let mut hash = Sha1::new();
        hash.update(key.as_bytes());
        hash.update(SUFFIX);
        Some(Self(STANDARD.encode(hash.finalize())))
    }

    /// Whether an answer says so, once.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut told = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        let first = told.next();
        first.is_some_and(|told| told.as_bytes() == self.0.as_bytes()) && told.next().is_none()
    }

    /// As a field.
    #[must_use]
    pub fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// Whether a request asks for a WebSocket; `None` when it does not.
///
/// # Errors
/// It asks, but not as it should: which rule it breaks.
#[must_use]
pub fn asked(parts: &request::Parts) -> Option<Result<(), &'static str>> {
    let headers = &parts.headers;
    if let Some(protocol) = parts.extensions.get::<Protocol>() {
        return Some(check_stream(headers, protocol.as_str()));
    }
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let websocket = protocols.any(|value| is_websocket(value.as_bytes()));
    let named = headers.get_all(header::CONNECTION).iter().any(|value| {
        let mut found = false;
        hop::each_token(value.as_bytes(), |token| {
            found |= token.eq_ignore_ascii_case(b"upgrade");
        });
        found
    });
    // In HTTP/1.0 the field means nothing (RFC 9110 section 7.8).
    if !websocket || !named || parts.version != Version::HTTP_11 {
        return None;
    }
    Some(check(parts))
}

/// The wish of a client of HTTP/2 (RFC 8441 section 5): without a key, since it is the connection of
/// HTTP/1.1 that a key proves.
fn check_stream(headers: &HeaderMap, protocol: &str) -> Result<(), &'static str> {
    if !is_websocket(protocol.as_bytes()) {
        return Err("`:protocol` is not websocket");
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err("websocket asked for with a body");
    }
    if headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        return Err("sec-websocket-key means nothing over HTTP/2");
    }
    let mut versions = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    if versions.next().is_some_and(|version| version != VERSION) || versions.next().is_some() {
        return Err("sec-websocket-version is not 13");
    }
    Ok(())
}

fn check(parts: &request::Parts) -> Result<(), &'static str> {
    let headers = &parts.headers;
    if parts.method != Method::GET {
        return Err("websocket asked for with another method than GET");
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
    {
        return Err("websocket asked for with a body");
    }
    let once = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    if once(header::SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err("sec-websocket-version is not 13");
    }
    let key = once(header::SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return Err("sec-websocket-key is not 16 bytes in base64");
    }
    Ok(())
}

/// Whether `Upgrade` names WebSocket and nothing else.
#[must_use]
pub fn is_websocket(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"websocket")
}

/// Completes a request that asks for a WebSocket without these fields, as it does over HTTP/2.
pub fn complete(headers: &mut HeaderMap, key: u128) {
    if headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&STANDARD.encode(key.to_be_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_KEY, value);
        headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// The example of RFC 6455 section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn asking(change: impl FnOnce(&mut request::Parts)) -> Option<Result<(), &'static str>> {
        let request = Request::get("/")
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        change(&mut parts);
        asked(&parts)
    }

    #[test]
    fn key_is_accepted_as_the_rfc_shows() {
        let mut headers = HeaderMap::new();
        assert_eq!(Accept::of(&headers), None);
        headers.insert("sec-websocket-key", HeaderValue::from_static(KEY));
        let accept = Accept::of(&headers).unwrap();
        assert_eq!(accept.0, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!accept.is_in(&headers));
        headers.append("sec-websocket-accept", accept.value().unwrap());
        assert!(accept.is_in(&headers));
        headers.append("sec-websocket-accept", accept.value().unwrap());
        assert!(!accept.is_in(&headers));
    }

    #[test]
    fn what_does_not_ask_is_told_from_what_asks_wrongly() {
        assert_eq!(asking(|_| ()), Some(Ok(())));
        for change in [
            (|parts| drop(parts.headers.remove("upgrade"))) as fn(&mut request::Parts),
            |parts| drop(parts.headers.remove("connection")),
            |parts| parts.version = Version::HTTP_10,
            |parts| {
                parts
                    .headers
                    .insert("upgrade", HeaderValue::from_static("h2c"));
            },
        ] {
            assert_eq!(asking(change), None);
        }
        for change in [
            (|parts| parts.method = Method::POST) as fn(&mut request::Parts),
            |parts| drop(parts.headers.remove("sec-websocket-key")),
            |parts| drop(parts.headers.remove("sec-websocket-version")),
            |parts| {
                parts
                    .headers
                    .append("sec-websocket-key", HeaderValue::from_static(KEY));
            },
            |parts| {
                parts
                    .headers
                    .insert("sec-websocket-key", HeaderValue::from_static("c2hvcnQ="));
            },
            |parts| {
                parts
                    .headers
                    .insert("content-length", HeaderValue::from_static("1"));
            },
        ] {
            assert!(matches!(asking(change), Some(Err(_))));
        }
    }

    #[test]
    fn a_request_without_key_gets_one() {
        let mut headers = HeaderMap::new();
        complete(&mut headers, 7);
        let key = STANDARD
            .decode(headers["sec-websocket-key"].as_bytes())
            .unwrap();
        assert_eq!(key.len(), 16);
        let before = headers.clone();
        complete(&mut headers, 8);
        assert_eq!(headers, before);
    }
}
