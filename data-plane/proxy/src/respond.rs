//! The only place that makes answers of the gateway's own: bodies, content types, error pages.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;
use weir_plugin_api::{Body, Response, ResponseHead};

use crate::error::Reason;

/// Seconds after which whoever takes no more may be asked again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The answer to a failed request (objects.md section 12).
#[must_use]
pub fn failure(reason: Reason) -> Response {
    failure_as(reason, reason.status())
}

/// [`failure`] with another status than the reason's own.
#[must_use]
pub fn failure_as(reason: Reason, status: StatusCode) -> Response {
    match reason {
        Reason::NoRoute => Response::json(status, json!({ "error_msg": "404 Route Not Found" })),
        Reason::BadRequest
        | Reason::VersionUnsupported
        | Reason::ExpectationFailed
        | Reason::UriTooLong
        | Reason::HeadTooLarge
        | Reason::ClientTimeout
        | Reason::BodyTooLarge => {
            // Where the next request begins on such a connection is anybody's guess.
            Response::page(status)
                .with_header(header::CONNECTION, HeaderValue::from_static("close"))
        }
        Reason::UpstreamOverflow
        | Reason::PendingOverflow
        | Reason::Overloaded
        | Reason::MemoryShort => {
            Response::page(status).with_header(header::RETRY_AFTER, RETRY_AFTER)
        }
        _ => Response::page(status),
    }
}

/// Head and body of an answer as they go out.
#[must_use]
pub fn render(response: Response) -> (ResponseHead, Bytes) {
    let (content_type, body) = match response.body {
        Body::Page => (Some("text/html; charset=utf-8"), page(response.status)),
        Body::Json(value) => {
            let mut text = value.to_string();
            text.push('\n');
            (Some("text/plain; charset=utf-8"), Bytes::from(text))
        }
        Body::Text(bytes) if bytes.is_empty() => (None, bytes),
        Body::Text(bytes) => (Some("text/plain; charset=utf-8"), bytes),
    };
    let mut headers = HeaderMap::with_capacity(response.headers.len() + 2);
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let mut own_type = false;
    for (name, value) in response.headers {
        if name == header::CONTENT_TYPE && !own_type {
            own_type = true;
            headers.insert(name, value);
        } else if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
            headers.append(name, value);
        }
    }
    let head = ResponseHead {
        status: response.status,
        headers,
        body_changes: false,
    };
    (head, body)
}

/// Whether a request is a call of gRPC.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Says what a failed status means in the terms of gRPC, whose clients take a page for a broken
/// message. The status of HTTP stays as it is.
pub fn speak_grpc(head: &mut ResponseHead, body: &mut Bytes) {
    const STATUS: &str = "grpc-status";
    if head.status.is_success() || head.headers.contains_key(STATUS) {
        return;
    }
    let headers = &mut head.headers;
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert(STATUS, grpc_status(head.status));
    headers.insert("grpc-message", HeaderValue::from_static(text(head.status)));
    body.clear();
}

/// The code for a status of HTTP, as the specification of gRPC maps them
/// (`doc/http-grpc-status-mapping.md` of github.com/grpc/grpc).
fn grpc_status(status: StatusCode) -> HeaderValue {
    HeaderValue::from_static(match status.as_u16() {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502 | 503 | 504 => "14",
        _ => "2",
    })
}

/// Whether an answer may have a body.
#[must_use]
pub fn has_body(status: StatusCode, method: &Method) -> bool {
    *method != Method::HEAD
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
        && !status.is_informational()
}

/// A minimal page with the status text; empty for statuses without body.
fn page(status: StatusCode) -> Bytes {
    if !has_body(status, &Method::GET) || status == StatusCode::OK {
        return Bytes::new();
    }
    let code = status.as_u16();
    let text = text(status);
    Bytes::from(format!(
        "<html>\r\n<head><title>{code} {text}</title></head>\r\n<body>\r\n\
         <center><h1>{code} {text}</h1></center>\r\n</body>\r\n</html>\r\n"
    ))
}

/// Status texts as the pages of nginx have them, where they differ from the RFC's.
fn text(status: StatusCode) -> &'static str {
    match status.as_u16() {
        302 => "Found",
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        416 => "Requested Range Not Satisfiable",
        431 => "Request Header Or Cookie Too Large",
        405 => "Not Allowed",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(response: Response) -> (ResponseHead, String) {
        let (head, body) = render(response);
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn missing_route_is_told_in_json() {
        let (head, body) = rendered(failure(Reason::NoRoute));
        assert_eq!(head.status, 404);
        assert_eq!(body, "{\"error_msg\":\"404 Route Not Found\"}\n");
    }

    #[test]
    fn other_failures_get_a_page() {
        let (head, body) = rendered(failure(Reason::TimeoutRead));
        assert_eq!(head.status, 504);
        assert_eq!(head.headers["content-type"], "text/html; charset=utf-8");
        assert!(body.contains("<h1>504 Gateway Time-out</h1>"));
    }

    #[test]
    fn full_upstream_says_when_to_come_back() {
        let (head, _) = rendered(failure(Reason::UpstreamOverflow));
        assert_eq!(head.status, 503);
        assert_eq!(head.headers["retry-after"], "1");
    }

    #[test]
    fn client_of_grpc_is_told_in_its_terms() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; x=y", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            assert!(!is_grpc(&headers));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(is_grpc(&headers), expected, "{kind}");
        }
        for (reason, status) in [(Reason::NoRoute, "12"), (Reason::TimeoutRead, "14")] {
            let (mut head, mut body) = render(failure(reason));
            speak_grpc(&mut head, &mut body);
            assert_eq!(head.status, reason.status());
            assert_eq!(head.headers["grpc-status"], status);
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert!(body.is_empty());
        }
    }

    #[test]
    fn plugin_may_set_the_content_type() {
        let response = Response::json(StatusCode::OK, json!({})).with_header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let (head, _) = rendered(response);
        let types: Vec<_> = head.headers.get_all("content-type").iter().collect();
        assert_eq!(types, ["application/json"]);
    }

    #[test]
    fn page_of_a_status_without_body_is_empty() {
        assert_eq!(rendered(Response::page(StatusCode::NO_CONTENT)).1, "");
    }
}
