#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;
mod text;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use crate::header_edit::header_value;

pub use config::Config;

/// Flag of the frame that holds the trailers.
const TRAILERS: u8 = 0x80;
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// Definition of `grpc-web`.
pub struct GrpcWeb;

impl PluginDef for GrpcWeb {
    const NAME: &'static str = "grpc-web";
    const PRIORITY: i32 = 505;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            allow_headers: header_value(&config.cors_allow_headers),
            max_body: config.max_req_body_size,
        })
    }
}

/// `grpc-web`, ready to run.
pub struct Compiled {
    allow_headers: HeaderValue,
    max_body: usize,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
}

/// What is known of a call that was translated.
#[derive(Default)]
struct Call {
    /// As the client sent it; what it gets is of the same type.
    content_type: Option<HeaderValue>,
    encoder: Option<text::Encoder>,
    /// Whether the answer is translated: it is one to a call.
    answers: bool,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let refuse = |status| Step::respond(Response::page(status));
        match context.request.method {
            Method::OPTIONS => return refuse(StatusCode::NO_CONTENT),
            Method::POST => {}
            _ => return refuse(StatusCode::METHOD_NOT_ALLOWED),
        }
        let Some(form) = form_of(context.request.content_type()) else {
            tracing::debug!("grpc-web: Content-Type is none of gRPC-Web");
            return refuse(StatusCode::BAD_REQUEST);
        };
        let Some(path) = method_path(context) else {
            tracing::warn!("grpc-web: the route's uri does not end with *");
            return refuse(StatusCode::BAD_REQUEST);
        };
        let body = match context.request.body.whole(self.max_body) {
            WholeBody::Unread => return Step::ReadBody,
            WholeBody::TooLarge => return refuse(StatusCode::BAD_REQUEST),
            WholeBody::Read(body) => body.clone(),
        };
        let message = match form {
            Form::Binary => Some(body),
            Form::Text => text::decode(&body).map(Bytes::from),
        };
        let Some(message) = message.filter(|message| !message.is_empty()) else {
            tracing::debug!("grpc-web: the body is empty or no base64");
            return refuse(StatusCode::BAD_REQUEST);
        };
        context.request.body.replace(message);
        context.target.uri = Some(path);
        let grpc = HeaderValue::from_static("application/grpc");
        let content_type = context.request.headers.insert(CONTENT_TYPE, grpc);
        let call = context.local_mut::<Call>();
        call.content_type = content_type;
        call.encoder = (form == Form::Text).then(text::Encoder::default);
        Step::Continue
    }

    fn header_filter(&self, context: &mut Context) {
        let preflight = context.request.method == Method::OPTIONS;
        let content_type = context.local_mut::<Call>().content_type.clone();
        let Some(response) = &mut context.response else {
            return;
        };
        let headers = &mut response.headers;
        if preflight {
            let methods = HeaderValue::from_static("POST");
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.clone());
        }
        // The plugin cors may have said more.
        if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        let exposed = HeaderValue::from_static("grpc-message,grpc-status");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
            headers.remove(CONTENT_LENGTH);
            response.body_changes = true;
            context.local_mut::<Call>().answers = true;
        }
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        if !context.local_mut::<Call>().answers {
            return;
        }
        if end {
            let trailers = context.trailers.take();
            let head = context.response.as_ref().map(|response| &response.headers);
            let frame = trailer_frame(trailers.as_ref(), head);
            let mut last = BytesMut::from(&chunk[..]);
            last.extend_from_slice(&frame);
            *chunk = last.freeze();
        }
        if let Some(encoder) = &mut context.local_mut::<Call>().encoder {
            *chunk = encoder.encode(chunk, end);
        }
    }
}

fn form_of(content_type: &str) -> Option<Form> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match media.to_ascii_lowercase().as_str() {
        "application/grpc-web" | "application/grpc-web+proto" => Some(Form::Binary),
        "application/grpc-web-text" | "application/grpc-web-text+proto" => Some(Form::Text),
        _ => None,
    }
}

/// Path of the method: what the `*` at the end of the route's path matched, which has no name else.
fn method_path(context: &Context) -> Option<String> {
    let mut params = context.params.iter();
    let (_, tail) = params.find(|(name, _)| &**name == ":ext")?;
    let path = format!("/{}", tail.strip_prefix('/').unwrap_or(tail));
    Some(weir_plugin_api::request::encode_path(&path))
}

/// The last frame of an answer: its trailers, as fields of HTTP/1.1. An answer that has none may have
/// told its status in its head.
fn trailer_frame(trailers: Option<&HeaderMap>, head: Option<&HeaderMap>) -> Bytes {
    let mut fields = Vec::new();
    let mut put = |name: &str, value: &[u8]| {
        fields.extend_from_slice(name.as_bytes());
        fields.push(b':');
        fields.extend_from_slice(value);
        fields.extend_from_slice(b"\r\n");
    };
    let told = trailers.filter(|trailers| trailers.contains_key(STATUS));
    let in_head = head.filter(|head| head.contains_key(STATUS));
    match (told, in_head) {
        (Some(trailers), _) => {
            for (name, value) in trailers {
                put(name.as_str(), value.as_bytes());
            }
        }
        (None, Some(head)) => {
            for name in [STATUS, MESSAGE] {
                if let Some(value) = head.get(name) {
                    put(name, value.as_bytes());
                }
            }
        }
        (None, None) => {
            put(STATUS, b"2");
            put(MESSAGE, b"upstream grpc status not received");
        }
    }
    let mut frame = BytesMut::with_capacity(fields.len() + 5);
    frame.put_u8(TRAILERS);
    frame.put_u32(u32::try_from(fields.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(&fields);
    frame.freeze()
}
