#![doc = include_str!("README.md")]

mod batch;
mod config;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::CONTENT_LENGTH;
use http::{Request, Response as HttpResponse, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::{
    CompileContext, Context, Gateway, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use batch::Batch;

use config::Attributes;
pub use config::{Config, Metadata};

/// Where it is served, through `public-api`, unless the settings say otherwise.
const PATH: &str = "/apisix/batch-requests";

/// Bytes that the answers of a batch may have in all.
const MAX_ANSWERS: usize = 16 << 20;

/// Definition of `batch-requests`.
pub struct BatchRequests;

impl PluginDef for BatchRequests {
    const NAME: &'static str = "batch-requests";
    const PRIORITY: i32 = 4010;
    const PHASES: Phases = Phases::of(&[]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(_config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled)
    }
}

/// `batch-requests` on a resource, where it does nothing.
pub struct Compiled;

impl Plugin for Compiled {}

/// The path of the API.
///
/// # Errors
/// The settings' own one cannot be read.
pub(crate) fn path(context: &CompileContext<'_>) -> Result<String, String> {
    let attributes: Attributes = context.attributes.of(BatchRequests::NAME)?;
    Ok(attributes.uri.unwrap_or_else(|| PATH.to_owned()))
}

/// Answers a batch.
pub(crate) fn serve(context: &mut Context) -> Step<'_> {
    let bounds = bounds(context);
    let body = match context.request.body.whole(bounds.max_body_size) {
        WholeBody::Read(body) => body.clone(),
        WholeBody::Unread => return Step::ReadBody,
        WholeBody::TooLarge => return too_large(context, bounds.max_body_size),
    };
    if body.is_empty() {
        return refuse("no request body, you should give at least one pipeline setting");
    }
    let batch = match Batch::read(&body, bounds.max_pipeline_items) {
        Ok(batch) => batch,
        Err(problem) => return refuse(&problem),
    };
    let requests = match batch.requests(&context.request) {
        Ok(requests) => requests,
        Err(problem) => return refuse(&format!("request failed: {problem}")),
    };
    let Some(gateway) = context.gateway.clone() else {
        return refuse("request failed: a batch cannot be inside another");
    };
    let limit = Duration::from_millis(batch.timeout);
    let context = &*context;
    Step::Wait(Box::pin(async move {
        let answers = answers(&gateway, context, requests, limit).await;
        Step::respond(Response::json(StatusCode::OK, answers))
    }))
}

/// The bounds that hold now.
fn bounds(context: &Context) -> Metadata {
    let key = Key::new(Kind::PluginMetadata, BatchRequests::NAME);
    let document = context.host.document(&key);
    let read = document.and_then(|document| Metadata::deserialize(&*document).ok());
    read.unwrap_or_default()
}

fn refuse(text: &str) -> Step<'static> {
    Step::respond(Response::error_msg(StatusCode::BAD_REQUEST, text))
}

fn too_large(context: &Context, limit: usize) -> Step<'static> {
    let length = context.request.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok());
    let text = match length {
        Some(length) => {
            format!("request size {length} is greater than the maximum size {limit} allowed")
        }
        None => format!("request size is greater than the maximum size {limit} allowed"),
    };
    Step::respond(Response::error_msg(StatusCode::PAYLOAD_TOO_LARGE, &text))
}

/// The answers to requests, one after the other, as over one connection: after one that does not come
/// in time none is waited for.
async fn answers(
    gateway: &Rc<dyn Gateway>,
    context: &Context,
    requests: Vec<Request<Bytes>>,
    limit: Duration,
) -> Value {
    let mut answers = Vec::with_capacity(requests.len());
    let (mut left, mut late) = (MAX_ANSWERS, false);
    for request in requests {
        if late {
            answers.push(no_answer(StatusCode::GATEWAY_TIMEOUT, "upstream timeout"));
            continue;
        }
        let asked = Rc::clone(gateway).ask(context, request, left);
        let slept = context.host.outside().sleep(limit);
        answers.push(match select(asked, slept).await {
            Either::Left((Ok(answer), _)) => {
                left = left.saturating_sub(answer.body().len());
                shown(&answer)
            }
            Either::Left((Err(error), _)) => no_answer(StatusCode::BAD_GATEWAY, &error.to_string()),
            Either::Right(_) => {
                late = true;
                no_answer(StatusCode::GATEWAY_TIMEOUT, "upstream timeout")
            }
        });
    }
    Value::Array(answers)
}

fn no_answer(status: StatusCode, reason: &str) -> Value {
    json!({"status": status.as_u16(), "reason": reason})
}

fn shown(answer: &HttpResponse<Bytes>) -> Value {
    let mut headers = Map::new();
    for (name, value) in answer.headers() {
        let value = Value::from(String::from_utf8_lossy(value.as_bytes()));
        match headers.get_mut(name.as_str()) {
            None => {
                headers.insert(name.as_str().to_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    let mut shown = json!({
        "status": answer.status().as_u16(),
        "reason": answer.status().canonical_reason().unwrap_or_default(),
        "headers": headers,
    });
    if !answer.body().is_empty()
        && let Some(fields) = shown.as_object_mut()
    {
        let body = String::from_utf8_lossy(answer.body());
        fields.insert("body".to_owned(), Value::from(body));
    }
    shown
}
