//! Answers: those that plugins make, and the head of any answer on its way to the client.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

/// What the gateway says that it is: clients and tools of APISIX look for it.
pub const SERVER_TOKEN: &str = "APISIX/3.18.0";

/// Body of an answer made by the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// The default page of the status.
    Page,
    /// A JSON object, sent with a newline after it (as APISIX does).
    Json(Value),
    /// Bytes as they are.
    Text(Bytes),
}

/// An answer made by a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Status to send.
    pub status: StatusCode,
    /// Headers to set.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body to send.
    pub body: Body,
}

impl Response {
    /// The default page of `status`.
    #[must_use]
    pub fn page(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Page,
        }
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    /// `{"message": text}`: how APISIX's authentication plugins answer.
    #[must_use]
    pub fn message(status: StatusCode, text: &str) -> Self {
        Self::json(status, serde_json::json!({ "message": text }))
    }

    /// `{"error_msg": text}`: how APISIX's traffic plugins answer.
    #[must_use]
    pub fn error_msg(status: StatusCode, text: &str) -> Self {
        Self::json(status, serde_json::json!({ "error_msg": text }))
    }

    /// A text answer.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Text(body.into()),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Head of the answer, as header filters see and change it.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// Status to be sent.
    pub status: StatusCode,
    /// Headers to be sent, without hop-by-hop headers.
    pub headers: HeaderMap,
    /// Set by a filter that will change the length of the body: the proxy then drops
    /// `Content-Length` and frames the body itself.
    pub body_changes: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_have_the_shapes_of_apisix() {
        let message = Response::message(StatusCode::UNAUTHORIZED, "who are you");
        assert_eq!(message.body, Body::Json(json!({"message": "who are you"})));
        let error = Response::error_msg(StatusCode::BAD_GATEWAY, "gone");
        assert_eq!(error.body, Body::Json(json!({"error_msg": "gone"})));
        assert_eq!(error.status, StatusCode::BAD_GATEWAY);
        let page = Response::page(StatusCode::NOT_FOUND)
            .with_header(http::header::ALLOW, HeaderValue::from_static("GET"));
        assert_eq!(page.body, Body::Page);
        assert_eq!(page.headers.len(), 1);
    }
}
