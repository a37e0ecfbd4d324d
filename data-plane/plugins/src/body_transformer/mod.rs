#![doc = include_str!("README.md")]

mod config;
mod side;
#[cfg(test)]
mod tests;
mod xml;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{Method, StatusCode};
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, ResponseHead, Step,
    WholeBody,
};

use crate::encoding::Encoding;
use side::{Failure, Input};

pub(crate) use config::Side as SideConfig;
pub use config::{Config, Format};
pub(crate) use side::Side;

/// Definition of `body-transformer`.
pub struct BodyTransformer;

impl PluginDef for BodyTransformer {
    const NAME: &'static str = "body-transformer";
    const PRIORITY: i32 = 1080;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite, Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let side = |side: Option<SideConfig>, name| {
            side.map(|side| Side::compile(&side, name)).transpose()
        };
        Ok(Compiled {
            request: side(config.request, "request")?,
            response: side(config.response, "response")?,
            max_request: config.max_req_body_size,
            max_response: config.max_resp_body_size,
        })
    }
}

/// `body-transformer`, ready to run.
pub struct Compiled {
    request: Option<Side>,
    response: Option<Side>,
    max_request: usize,
    max_response: usize,
}

/// What the header filter decided for the body of this answer.
#[derive(Default)]
enum Work {
    /// The body passes as it is.
    #[default]
    Pass,
    /// The body is collected and transformed.
    Transform {
        encoding: Encoding,
        /// As the node sent it: other plugins may change the field.
        content_type: String,
        held: BytesMut,
    },
    /// What is left of the body is dropped: there is no honest one.
    Drop,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match &self.request {
            Some(side) => request(side, self.max_request, context),
            None => Step::Continue,
        }
    }

    fn header_filter(&self, context: &mut Context) {
        let is_head = context.request.method == Method::HEAD;
        let Some(response) = context
            .response
            .as_mut()
            .filter(|_| self.response.is_some())
        else {
            return;
        };
        let status = response.status;
        let bodiless = is_head
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || status.is_informational();
        let content_type = response.headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let encoding = Encoding::of(&response.headers);
        let Some(encoding) = encoding.filter(|_| fits(response, self.max_response)) else {
            tracing::warn!(
                "body-transformer: an answer is too large or encoded in an unknown way; it passes as it is"
            );
            return;
        };
        for name in [CONTENT_LENGTH, CONTENT_ENCODING, LAST_MODIFIED, ETAG] {
            response.headers.remove(name);
        }
        if bodiless {
            return;
        }
        response.body_changes = true;
        *context.local_mut::<Work>() = Work::Transform {
            encoding,
            content_type,
            held: BytesMut::new(),
        };
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        let work = context.local_mut::<Work>();
        let (encoding, content_type, held) = match work {
            Work::Pass => return,
            Work::Drop => return chunk.clear(),
            Work::Transform {
                encoding,
                content_type,
                held,
            } => (*encoding, content_type, held),
        };
        held.extend_from_slice(chunk);
        chunk.clear();
        let too_large = held.len() > self.max_response;
        if !too_large && !end {
            return;
        }
        let body = held.split().freeze();
        let content_type = std::mem::take(content_type);
        *work = Work::Pass;
        if too_large && encoding == Encoding::Identity {
            tracing::warn!("body-transformer: an answer is too large; it passes as it is");
            *chunk = body;
            return;
        }
        let decoded = match encoding {
            _ if too_large => None,
            Encoding::Identity => Some(body),
            encoding => {
                let plain = encoding.decode(&body, self.max_response as u64);
                plain.ok().map(Bytes::from)
            }
        };
        match decoded {
            Some(plain) => *chunk = self.transformed(context, &content_type, plain),
            // The head that went out promises a plain body, and we cannot make one.
            None => {
                tracing::warn!("body-transformer: an answer is not encoded as it says");
                *context.local_mut::<Work>() = Work::Drop;
                context.abort_response = true;
            }
        }
    }
}

/// Whether the length that an answer tells is one that we hold.
fn fits(response: &ResponseHead, limit: usize) -> bool {
    let length = response.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_none_or(|length| length <= limit as u64)
}

impl Compiled {
    /// The body of an answer, transformed; as it came when that cannot be done: the answer may be an
    /// error page, which says more than nothing.
    fn transformed(&self, context: &Context, content_type: &str, body: Bytes) -> Bytes {
        let Some(side) = &self.response else {
            return body;
        };
        let input = Input {
            body: Some(body.clone()).filter(|body| !body.is_empty()),
            content_type,
            query: context.request.query.as_deref().unwrap_or_default(),
            variables: context,
            is_get: false,
        };
        match side.transform(input, self.max_response) {
            Ok(made) => made,
            Err(Failure::Decode(reason) | Failure::Render(reason)) => {
                let route = context.route.as_ref().map(|route| &*route.id);
                tracing::warn!(
                    reason,
                    route,
                    "body-transformer: an answer passes as it came"
                );
                body
            }
        }
    }
}

/// The rewrite phase, for the plugins that have it.
pub(crate) fn request<'a>(side: &Side, limit: usize, context: &mut Context) -> Step<'a> {
    let body = match context.request.body.whole(limit) {
        WholeBody::Unread => return Step::ReadBody,
        WholeBody::TooLarge => {
            return Step::respond(Response::page(StatusCode::PAYLOAD_TOO_LARGE));
        }
        WholeBody::Read(body) => body.clone(),
    };
    let input = Input {
        body: Some(body).filter(|body| !body.is_empty()),
        content_type: context.request.content_type(),
        query: context.request.query.as_deref().unwrap_or_default(),
        variables: &*context,
        is_get: context.request.method == Method::GET,
    };
    let (status, reason) = match side.transform(input, limit) {
        Ok(made) => {
            context.request.body.replace(made);
            return Step::Continue;
        }
        Err(Failure::Decode(reason)) => (StatusCode::BAD_REQUEST, reason),
        Err(Failure::Render(reason)) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    let route = context.route.as_ref().map(|route| &*route.id);
    tracing::warn!(reason, route, "body-transformer: a request is refused");
    Step::respond(Response::message(status, &reason))
}
