//! The only place that makes answers: statuses, headers and bodies, byte for byte.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, ETAG, SERVER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use weir_model::Revision;

use super::error::Error;

const API_VERSION: HeaderName = HeaderName::from_static("x-api-version");
const REVISION: HeaderName = HeaderName::from_static("x-weir-revision");
const WARNING: HeaderName = HeaderName::from_static("weir-warning");
const WEIR: &str = concat!("Weir/", env!("CARGO_PKG_VERSION"));

/// More are summed up in one line: headers have a size.
const MOST_WARNINGS: usize = 20;
/// Longest warning in bytes.
const LONGEST_WARNING: usize = 300;

/// CORS headers of every answer.
const CORS: [(&str, &str); 4] = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "*"),
    ("access-control-max-age", "3600"),
];
/// Further ones of the answer to OPTIONS.
const PREFLIGHT: [(&str, &str); 2] = [
    (
        "access-control-allow-methods",
        "POST, GET, PUT, OPTIONS, DELETE, PATCH",
    ),
    ("access-control-allow-headers", "*"),
];

/// What a request came to.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content: Content,
    revision: Option<Revision>,
    modified: Option<Revision>,
    warnings: Vec<String>,
    preflight: bool,
}

#[derive(Debug)]
enum Content {
    Empty,
    Json(Value),
    Text(&'static str),
    Page(&'static str),
}

impl Answer {
    fn new(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            content,
            revision: None,
            modified: None,
            warnings: Vec::new(),
            preflight: false,
        }
    }

    /// 200 without a body.
    pub(super) fn empty() -> Self {
        Self::new(StatusCode::OK, Content::Empty)
    }

    /// 200 to a browser that asks what it may send.
    pub(super) fn preflight() -> Self {
        Self {
            preflight: true,
            ..Self::empty()
        }
    }

    /// 200 with a JSON body.
    pub(super) fn json(body: Value) -> Self {
        Self::new(StatusCode::OK, Content::Json(body))
    }

    /// 200 with plain text.
    pub(super) fn text(body: &'static str) -> Self {
        Self::new(StatusCode::OK, Content::Text(body))
    }

    /// 201 in place of 200.
    pub(super) fn created(self) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..self
        }
    }

    /// The revision of the state that this answer shows.
    pub(super) fn at(self, revision: Revision) -> Self {
        Self {
            revision: Some(revision),
            ..self
        }
    }

    /// The revision of the one resource that this answer shows, for `If-Match`.
    pub(super) fn of(self, modified: Revision) -> Self {
        Self {
            modified: Some(modified),
            ..self
        }
    }

    /// What was accepted without effect.
    pub(super) fn warn(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

/// Makes the response; `newest` is the revision of the node, for answers that show no state.
pub(super) fn answer(answer: Answer, cors: bool, newest: Revision) -> Response {
    let (content_type, body) = match answer.content {
        Content::Empty => ("application/json", String::new()),
        // A line of its own, as clients know it.
        Content::Json(value) => ("application/json", format!("{value}\n")),
        Content::Text(text) => ("application/json", text.to_owned()),
        Content::Page(title) => (
            "text/html",
            format!(
                "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
            ),
        ),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(SERVER, HeaderValue::from_static(WEIR));
    headers.insert(API_VERSION, HeaderValue::from_static("v3"));
    headers.insert(REVISION, answer.revision.unwrap_or(newest).into());
    if let Some(modified) = answer.modified
        && let Ok(value) = HeaderValue::try_from(format!("\"{modified}\""))
    {
        headers.insert(ETAG, value);
    }
    for warning in warnings(answer.warnings) {
        headers.append(WARNING, warning);
    }
    let extra: &[_] = if answer.preflight { &PREFLIGHT } else { &[] };
    for (name, value) in CORS.iter().chain(extra).filter(|_| cors) {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

/// Makes the response to a refused request.
pub(super) fn error(error: Error, cors: bool, newest: Revision) -> Response {
    let bad = StatusCode::BAD_REQUEST;
    let message = |status, text: String| (status, Content::Json(json!({"error_msg": text})));
    let mut modified_now = None;
    let (status, content) = match error {
        Error::Forbidden => (StatusCode::FORBIDDEN, Content::Page("403 Forbidden")),
        Error::Page => (StatusCode::NOT_FOUND, Content::Page("404 Not Found")),
        Error::Denied(denied) => {
            let body = json!({
                "error_msg": "failed to check token",
                "description": denied.to_string(),
            });
            (StatusCode::UNAUTHORIZED, Content::Json(body))
        }
        Error::Unsupported(kind) => message(
            StatusCode::NOT_FOUND,
            format!("Unsupported resource type: {kind}"),
        ),
        Error::NoMethod => message(StatusCode::NOT_FOUND, "not found".to_owned()),
        Error::Refused(method, kind) => message(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("not supported `{method}` method for {kind}"),
        ),
        Error::Reload(method) => message(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("please use PUT method to reload the plugins, {method} method is not allowed."),
        ),
        Error::KeyNotFound => {
            let body = json!({"message": "Key not found"});
            (StatusCode::NOT_FOUND, Content::Json(body))
        }
        Error::NotFound(text) => message(StatusCode::NOT_FOUND, text),
        Error::Invalid(text) => message(bad, text),
        Error::Plain(text) => (bad, Content::Text(text)),
        Error::Body { message, sent } => {
            let body = json!({
                "error_msg": format!("invalid request body: {message}"),
                "req_body": sent,
            });
            (bad, Content::Json(body))
        }
        Error::Many(errors) => {
            let body = json!({"error_msg": "Configuration validation failed", "errors": errors});
            (bad, Content::Json(body))
        }
        Error::Precondition { modified } => {
            modified_now = modified;
            let text = match modified {
                Some(revision) => {
                    format!("precondition failed: the current revision is {revision}")
                }
                None => "precondition failed: there is no such resource".to_owned(),
            };
            let body = json!({"error_msg": text, "current_revision": modified});
            (StatusCode::PRECONDITION_FAILED, Content::Json(body))
        }
        Error::Changed => message(
            StatusCode::SERVICE_UNAVAILABLE,
            "value changed before overwritten".to_owned(),
        ),
        Error::Unavailable(text) => message(StatusCode::SERVICE_UNAVAILABLE, text),
        Error::Storage(text) => message(StatusCode::INSUFFICIENT_STORAGE, text),
    };
    let refused = Answer {
        modified: modified_now,
        ..Answer::new(status, content)
    };
    answer(refused, cors, newest)
}

/// Warnings as header values: visible ASCII, bounded in number and length.
fn warnings(mut warnings: Vec<String>) -> Vec<HeaderValue> {
    let left_out = warnings.len().saturating_sub(MOST_WARNINGS);
    warnings.truncate(MOST_WARNINGS);
    if left_out > 0 {
        warnings.push(format!("{left_out} more warnings"));
    }
    warnings
        .iter()
        .filter_map(|warning| {
            let text: String = warning
                .chars()
                .flat_map(char::escape_default)
                .take(LONGEST_WARNING)
                .collect();
            HeaderValue::try_from(text.replace("\\'", "'").replace("\\\"", "\"")).ok()
        })
        .collect()
}
