//! The head of a request for HTTP/2, made from parsed parts only.

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Uri, Version};

use crate::http::hop;
use crate::origin::h1::head::{self, Parts};

/// Makes a head. `secure` is whether the connection is encrypted, `node` stands in for a Host that
/// is no authority, `grpc` says that trailers must be welcome. `None` when the target is no path.
#[must_use]
pub fn request(parts: &Parts<'_>, secure: bool, node: &str, grpc: bool) -> Option<Request<()>> {
    let path = PathAndQuery::try_from(head::clean(parts.uri).as_ref()).ok()?;
    let authority = Authority::try_from(parts.host.as_bytes())
        .or_else(|_| Authority::try_from(node))
        .ok()?;
    let uri = Uri::builder()
        .scheme(if secure { "https" } else { "http" })
        .authority(authority)
        .path_and_query(path)
        .build()
        .ok()?;
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.reserve(parts.headers.len() + 2);
    for (name, value) in parts.headers {
        let skipped = name == header::HOST
            || name == header::CONTENT_LENGTH
            || name == header::EXPECT
            || hop::is_hop_by_hop(name);
        if !skipped {
            headers.append(name, value.clone());
        }
    }
    if grpc || hop::accepts_trailers(parts.headers) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(length) = parts.length
        && (length > 0 || head::expects_body(parts.method))
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    #[test]
    fn only_what_belongs_to_the_message_goes_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "client"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("content-length", "9"),
            ("x-a", "1"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let host = HeaderValue::from_static("api.test:8443");
        let parts = Parts {
            method: &Method::POST,
            uri: "/a b?c",
            host: &host,
            headers: &headers,
            length: Some(3),
            upgrade: false,
        };
        let request = request(&parts, true, "node", false).unwrap();
        assert_eq!(request.uri(), "https://api.test:8443/a%20b?c");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["content-length"], "3");
        assert_eq!(request.headers().len(), 3);
    }

    #[test]
    fn a_host_that_is_none_is_replaced_and_grpc_welcomes_trailers() {
        let host = HeaderValue::from_static("");
        let parts = Parts {
            method: &Method::GET,
            uri: "/",
            host: &host,
            headers: &HeaderMap::new(),
            length: Some(0),
            upgrade: false,
        };
        let request = request(&parts, false, "node:80", true).unwrap();
        assert_eq!(request.uri(), "http://node:80/");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers().len(), 1);
    }
}
