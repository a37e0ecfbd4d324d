#![doc = include_str!("README.md")]

mod config;
mod decode;
mod encode;
mod method;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderValue, Method as Verb, StatusCode};
use serde_json::{Map, Value};
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use crate::{form, json};
use method::{Method, Missing};

pub use config::{Config, PbOption};

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";
/// Largest body of a request.
const MAX_REQUEST: usize = 64 << 20;
/// The longest time that the header `grpc-timeout` can tell, in milliseconds.
const MAX_TIMEOUT: f64 = 99_999_999.0;

/// Definition of `grpc-transcode`.
pub struct GrpcTranscode;

impl PluginDef for GrpcTranscode {
    const NAME: &'static str = "grpc-transcode";
    const PRIORITY: i32 = 506;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let method = match Method::find(&config, context) {
            Ok(method) => Ok(method),
            Err(Missing::NotThere(reason)) => Err(reason),
            Err(Missing::Unsupported(reason)) => return Err(reason),
        };
        let timeout = (config.deadline > 0.0).then(|| {
            let limit = config.deadline.ceil().min(MAX_TIMEOUT);
            HeaderValue::try_from(format!("{limit}m"))
        });
        let timeout = timeout.transpose().map_err(|error| error.to_string())?;
        Ok(Compiled {
            method,
            path: encode_path(&format!("/{}/{}", config.service, config.method)),
            timeout,
            show_status: config.show_status_in_body,
            max_answer: config.max_resp_body_size,
        })
    }
}

/// `grpc-transcode`, ready to run.
pub struct Compiled {
    /// The method, or why there is none.
    method: Result<Method, String>,
    path: String,
    timeout: Option<HeaderValue>,
    show_status: bool,
    max_answer: usize,
}

/// What is done with the body of an answer.
#[derive(Default)]
enum Work {
    /// There was no call: the request was answered before.
    #[default]
    None,
    /// A call was made.
    Called,
    /// The answer's message becomes JSON.
    Message(BytesMut),
    /// The body tells this failure.
    Failure(Bytes),
    /// What is left of the body is dropped.
    Drop,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let method = match &self.method {
            Ok(method) => method,
            Err(reason) => {
                tracing::warn!(reason, "grpc-transcode: there is nothing to call");
                return Step::respond(Response::page(StatusCode::SERVICE_UNAVAILABLE));
            }
        };
        let fields = match fields_of(context) {
            Ok(Some(fields)) => fields,
            Ok(None) => return Step::ReadBody,
            Err(status) => return Step::respond(Response::page(status)),
        };
        let message = match method.encode(&fields) {
            Ok(message) => message,
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "grpc-transcode: failed to encode request data to protobuf"
                );
                return Step::respond(Response::page(StatusCode::SERVICE_UNAVAILABLE));
            }
        };
        context.request.body.replace(message);
        context.target.method = Some(Verb::POST);
        context.target.uri = Some(self.path.clone());
        let headers = &mut context.request.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.remove(CONTENT_ENCODING);
        if let Some(timeout) = &self.timeout {
            headers.insert("grpc-timeout", timeout.clone());
        }
        *context.local_mut::<Work>() = Work::Called;
        Step::Continue
    }

    fn header_filter(&self, context: &mut Context) {
        if !matches!(context.local_mut::<Work>(), Work::Called) {
            return;
        }
        let Some(response) = &mut context.response else {
            return;
        };
        if response.status.as_u16() >= 300 {
            // What the gateway itself answers to gRPC; the client speaks none.
            if response
                .headers
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind == "application/grpc")
            {
                response.headers.remove(CONTENT_TYPE);
            }
            return;
        }
        let headers = &mut response.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.remove(CONTENT_LENGTH);
        response.body_changes = true;
        let work = match status_of(&response.headers) {
            Some(0) | None => {
                let told = HeaderValue::from_static("grpc-status, grpc-message");
                response.headers.insert(TRAILER, told);
                Work::Message(BytesMut::new())
            }
            Some(status) => {
                response.status = http_status(status);
                match self.failure(&response.headers) {
                    Some(body) => Work::Failure(body),
                    None => Work::None,
                }
            }
        };
        *context.local_mut::<Work>() = work;
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        let held = match context.local_mut::<Work>() {
            Work::None | Work::Called => return,
            Work::Drop => return chunk.clear(),
            Work::Failure(body) => {
                *chunk = if end {
                    std::mem::take(body)
                } else {
                    Bytes::new()
                };
                return;
            }
            Work::Message(held) => held,
        };
        held.extend_from_slice(chunk);
        chunk.clear();
        if held.len() > self.max_answer {
            tracing::warn!("grpc-transcode: the answer is larger than max_resp_body_size");
            *context.local_mut::<Work>() = Work::Drop;
            context.abort_response = true;
            return;
        }
        if end {
            let body = held.split().freeze();
            *chunk = self.json(&body, context.trailers.as_ref());
        }
    }
}

impl Compiled {
    /// The JSON of an answer. A call that failed after its head went out has no message: the body is
    /// empty then, or tells the failure, and the trailers tell the status.
    fn json(&self, body: &Bytes, trailers: Option<&HeaderMap>) -> Bytes {
        let Ok(method) = &self.method else {
            return Bytes::new();
        };
        if let Some(trailers) =
            trailers.filter(|trailers| status_of(trailers).is_some_and(|s| s != 0))
        {
            return self.failure(trailers).unwrap_or_default();
        }
        match method.decode(body) {
            Ok(json) => Bytes::from(json),
            Err(reason) => {
                tracing::warn!(reason, "grpc-transcode: failed to decode response data");
                Bytes::from_static(b"failed to decode response data by protobuf")
            }
        }
    }

    /// What the body of a failure says, when it shall say something and there are details.
    fn failure(&self, fields: &HeaderMap) -> Option<Bytes> {
        let method = self.method.as_ref().ok().filter(|_| self.show_status)?;
        let details = fields.get(DETAILS)?.as_bytes();
        let end = details.iter().position(|byte| *byte == b'=');
        let details = details.get(..end.unwrap_or(details.len()))?;
        let made = match STANDARD_NO_PAD.decode(details) {
            Ok(details) => method.failure(&details),
            Err(_) => Err("grpc-status-details-bin is not base64 format"),
        };
        Some(made.map_or_else(
            |reason| {
                tracing::warn!(reason, "grpc-transcode: a failure cannot be told");
                Bytes::from_static(reason.as_bytes())
            },
            Bytes::from,
        ))
    }
}

/// What a request gives: a JSON body, a form, or a query. `None` when the body must be read first.
fn fields_of(context: &Context) -> Result<Option<Map<String, Value>>, StatusCode> {
    let request = &context.request;
    let is_json = request.content_type().contains("application/json");
    let bodied = if is_json {
        [Verb::POST, Verb::PUT, Verb::PATCH].contains(&request.method)
    } else {
        request.method == Verb::POST
    };
    if !bodied {
        let query = request.query.as_deref().unwrap_or_default();
        let fields = form::fields(query.as_bytes());
        return fields.map(Some).map_err(|_| StatusCode::BAD_REQUEST);
    }
    let body = match request.body.whole(MAX_REQUEST) {
        WholeBody::Unread => return Ok(None),
        WholeBody::TooLarge => return Err(StatusCode::PAYLOAD_TOO_LARGE),
        WholeBody::Read(body) => body,
    };
    if !is_json {
        let fields = form::fields(body);
        return fields.map(Some).map_err(|_| StatusCode::BAD_REQUEST);
    }
    if body.is_empty() {
        return Ok(Some(Map::new()));
    }
    match json::parse(body) {
        Ok(Value::Object(fields)) => Ok(Some(fields)),
        other => {
            let reason = other.err().map(|error| error.to_string());
            tracing::debug!(reason, "grpc-transcode: the body is no JSON object");
            Err(StatusCode::BAD_REQUEST)
        }
    }
}

fn status_of(fields: &HeaderMap) -> Option<u32> {
    fields.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// The status of HTTP that stands for one of gRPC (objects.md section 12.2).
fn http_status(status: u32) -> StatusCode {
    let code = match status {
        1 => 499,
        2 | 13 | 15 => 500,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 599,
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
