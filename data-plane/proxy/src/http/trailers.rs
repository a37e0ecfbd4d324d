//! Trailers: fields after a body, passed on in both directions (RFC 9110 section 6.5).

use http::header::{self, HeaderMap, HeaderName};

use super::hop;

/// Fields that mean something only before a body: about its framing and form, where it goes, who
/// asks, how it is kept. In a trailer they would come too late, or change what was decided.
const HEAD_ONLY: [HeaderName; 14] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::MAX_FORWARDS,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// What of `trailers` may be passed on; `None` when that is nothing.
#[must_use]
pub fn forwardable(mut trailers: HeaderMap) -> Option<HeaderMap> {
    hop::remove_all(&mut trailers);
    trailers.remove(header::TE);
    for name in HEAD_ONLY {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then_some(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_belongs_before_the_body_is_dropped() {
        let mut trailers = HeaderMap::new();
        for name in [
            "content-length",
            "te",
            "connection",
            "host",
            "transfer-encoding",
        ] {
            trailers.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(forwardable(trailers.clone()), None);
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let kept = forwardable(trailers).unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept["grpc-status"], "0");
    }
}
