#![doc = include_str!("README.md")]

mod config;
mod headers;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use weir_model::schema;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, RequestHead, Response, Step,
    WholeBody,
};

use crate::{embedded_schema, form, json, refusal};
use headers::HeaderCheck;

pub use config::Config;

/// Definition of `request-validation`.
pub struct RequestValidation;

impl PluginDef for RequestValidation {
    const NAME: &'static str = "request-validation";
    const PRIORITY: i32 = 2800;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let headers = config.header_schema.as_ref().map(HeaderCheck::compile);
        let headers = headers
            .transpose()
            .map_err(|reason| format!("header_schema: {reason}"))?;
        let body = config.body_schema.as_ref().map(embedded_schema::compile);
        let body = body
            .transpose()
            .map_err(|reason| format!("body_schema: {reason}"))?;
        Ok(Compiled {
            headers,
            body,
            max_body: config.max_req_body_size,
            status: refusal::status("rejected_code", config.rejected_code)?,
            message: config.rejected_msg.map(Bytes::from),
        })
    }
}

/// `request-validation`, ready to run.
pub struct Compiled {
    headers: Option<HeaderCheck>,
    body: Option<schema::Compiled>,
    max_body: usize,
    status: StatusCode,
    message: Option<Bytes>,
}

/// Why a request does not pass.
enum Refused {
    /// Its body must be read first.
    Unread,
    /// What is wrong with it; APISIX has no words for a body that is missing.
    Because(Option<String>),
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match self.check(&mut context.request) {
            Ok(()) => Step::Continue,
            Err(Refused::Unread) => Step::ReadBody,
            Err(Refused::Because(reason)) => {
                let shown = reason.as_deref().unwrap_or("there is no body");
                tracing::debug!(reason = shown, "request-validation: a request is refused");
                let text = self.message.clone().or_else(|| reason.map(Bytes::from));
                Step::respond(match text {
                    Some(text) => Response::text(self.status, text),
                    None => Response::page(self.status),
                })
            }
        }
    }
}

impl Compiled {
    fn check(&self, request: &mut RequestHead) -> Result<(), Refused> {
        let because = |reason: String| Refused::Because(Some(reason));
        if let Some(headers) = &self.headers {
            headers.check(&request.headers).map_err(because)?;
        }
        let Some(schema) = &self.body else {
            return Ok(());
        };
        let body = match request.body.whole(self.max_body) {
            WholeBody::Unread => return Err(Refused::Unread),
            WholeBody::TooLarge => {
                let limit = self.max_body;
                return Err(because(format!(
                    "request body is larger than {limit} bytes"
                )));
            }
            WholeBody::Read(body) if body.is_empty() => return Err(Refused::Because(None)),
            WholeBody::Read(body) => body,
        };
        if request.headers.get_all(CONTENT_TYPE).iter().count() > 1 {
            return Err(because("duplicate Content-Type header".to_owned()));
        }
        let is_form = is_form(request.content_type());
        let mut document = if is_form {
            Value::Object(form::fields(body).map_err(because)?)
        } else {
            json::parse(body).map_err(|error| because(error.to_string()))?
        };
        let checked = schema.check(&mut document);
        checked.map_err(|problem| because(problem.message))?;
        if !is_form {
            // The node gets what was checked: another reader of the client's text could see other
            // values in it, behind a name that stands twice for example.
            let text = json::print(&document).map_err(|error| because(error.to_string()))?;
            request.body.replace(Bytes::from(text));
        }
        Ok(())
    }
}

fn is_form(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
