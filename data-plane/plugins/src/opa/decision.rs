//! What a policy decided.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use weir_plugin_api::Response;
use weir_plugin_api::outside::HttpAnswer;

use crate::service_call::is_of_connection;

/// A decision, read.
#[derive(Debug)]
pub(super) enum Decision {
    /// The request passes; these fields come along.
    Allowed(Fields),
    /// It does not.
    Denied(Response),
}

/// Header fields of a decision.
pub(super) type Fields = Vec<(HeaderName, HeaderValue)>;

/// Reads an answer.
///
/// # Errors
/// Why it decides nothing.
pub(super) fn read(answer: &HttpAnswer) -> Result<Decision, String> {
    if answer.status != StatusCode::OK {
        return Err(format!("it answers {}", answer.status));
    }
    let document: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("its answer is no JSON: {error}"))?;
    let result = document.get("result");
    let result = result.ok_or("its answer has no result: is there such a policy?")?;
    let result = result.as_object().ok_or("its result is no object")?;
    let headers = fields(result.get("headers"))?;
    match result.get("allow") {
        Some(Value::Bool(true)) => Ok(Decision::Allowed(headers)),
        None | Some(Value::Bool(false) | Value::Null) => denied(result, headers),
        Some(_) => Err("allow of its result is neither true nor false".into()),
    }
}

fn denied(result: &Map<String, Value>, headers: Fields) -> Result<Decision, String> {
    let status = match result.get("status_code") {
        None | Some(Value::Null) => StatusCode::FORBIDDEN,
        Some(code) => code
            .as_u64()
            .filter(|code| (200..600).contains(code))
            .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
            .ok_or("status_code of its result is no status")?,
    };
    let body = match result.get("reason") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let mut response = match body {
        Some(body) => Response::text(status, Bytes::from(body)),
        None => Response::page(status),
    };
    response.headers = headers;
    Ok(Decision::Denied(response))
}

/// Header fields; those of a connection are left out.
fn fields(headers: Option<&Value>) -> Result<Fields, String> {
    let headers = match headers {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(headers) => headers
            .as_object()
            .ok_or("headers of its result are no object")?,
    };
    let mut fields = Vec::new();
    for (name, value) in headers {
        let wrong = || format!("header {name:?} of its result cannot be sent");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return Err(wrong()),
            };
            let value = HeaderValue::from_str(&text).map_err(|_| wrong())?;
            if !is_of_connection(&name) {
                fields.push((name.clone(), value));
            }
        }
    }
    Ok(fields)
}
