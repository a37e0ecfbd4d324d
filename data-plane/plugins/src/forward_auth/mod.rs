#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use weir_plugin_api::outside::{CallError, HttpAnswer, HttpCall};
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use crate::header_edit::{HeaderEdit, header_name, header_value, parse_set};
use crate::refusal::status;
use crate::service_call::{Complaint, header_names, is_of_connection, url};

pub use config::{Config, RequestMethod};

/// Definition of `forward-auth`.
pub struct ForwardAuth;

impl PluginDef for ForwardAuth {
    const NAME: &'static str = "forward-auth";
    const PRIORITY: i32 = 2002;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let posts = config.request_method == RequestMethod::Post;
        let method = if posts { Method::POST } else { Method::GET };
        let extra = config.extra_headers.unwrap_or_default();
        let extra = parse_set("extra_headers", &extra)?;
        if let Some(edit) = extra.iter().find(|edit| is_of_connection(&edit.name)) {
            let name = &edit.name;
            return Err(format!(
                "extra_headers: {name} is set by the gateway itself"
            ));
        }
        let mut call = HttpCall::new(method, url("uri", &config.uri)?);
        config.call.apply(&mut call);
        Ok(Compiled {
            call,
            posts,
            largest_body: config.max_req_body_size,
            extra,
            copied: copied(&config.request_headers)?,
            to_node: header_names("upstream_headers", &config.upstream_headers)?,
            to_client: header_names("client_headers", &config.client_headers)?,
            allow_degradation: config.allow_degradation,
            on_error: Response::page(status("status_on_error", config.status_on_error)?),
            complaint: Complaint::default(),
        })
    }
}

/// Headers of the request that the service gets. Those that frame it are told anew.
fn copied(names: &[String]) -> Result<Vec<HeaderName>, String> {
    let names = names.iter().enumerate();
    let names = names.map(|(at, name)| header_name(&format!("request_headers[{at}]"), name));
    let names: Vec<HeaderName> = names.collect::<Result<_, _>>()?;
    Ok(names
        .into_iter()
        .filter(|name| !is_of_connection(name))
        .collect())
}

/// `forward-auth`, ready to run.
pub struct Compiled {
    call: HttpCall,
    posts: bool,
    largest_body: usize,
    extra: Vec<HeaderEdit>,
    copied: Vec<HeaderName>,
    to_node: Vec<HeaderName>,
    to_client: Vec<HeaderName>,
    allow_degradation: bool,
    on_error: Response,
    complaint: Complaint,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let mut body = Bytes::new();
        if self.posts {
            body = match context.request.body.whole(self.largest_body) {
                WholeBody::Read(body) => body.clone(),
                WholeBody::Unread => return Step::ReadBody,
                WholeBody::TooLarge => {
                    return Step::respond(Response::page(StatusCode::PAYLOAD_TOO_LARGE));
                }
            };
        }
        Step::Wait(Box::pin(self.ask(body, context)))
    }
}

impl Compiled {
    async fn ask(&self, body: Bytes, context: &mut Context) -> Step<'static> {
        let call = HttpCall {
            headers: self.headers(context),
            body,
            ..self.call.clone()
        };
        // What a client claims in the name of the service reaches no node, whatever comes back.
        for name in &self.to_node {
            context.request.headers.remove(name);
        }
        match context.host.outside().http(call).await {
            Ok(answer) if answer.status.as_u16() >= 600 => {
                self.complain(context, &format_args!("it answers {}", answer.status));
                Step::respond(self.on_error.clone())
            }
            Ok(answer) if answer.status.as_u16() >= 300 => self.refuse(answer),
            Ok(answer) => {
                let headers = &mut context.request.headers;
                for name in &self.to_node {
                    for value in answer.headers.get_all(name) {
                        headers.append(name.clone(), value.clone());
                    }
                }
                Step::Continue
            }
            Err(error) => {
                self.complain(context, &error);
                // A service that answers, though with too much, may have refused.
                let answered = matches!(error, CallError::TooLarge { .. });
                if self.allow_degradation && !answered {
                    return Step::Continue;
                }
                Step::respond(self.on_error.clone())
            }
        }
    }

    fn headers(&self, context: &Context) -> HeaderMap {
        let request = &context.request;
        let mut headers = HeaderMap::with_capacity(8);
        let client = request.client_ip.to_string();
        for (name, text) in [
            ("x-forwarded-proto", request.scheme.as_str()),
            ("x-forwarded-method", request.method.as_str()),
            ("x-forwarded-host", &request.host),
            ("x-forwarded-uri", &request.raw_target),
            ("x-forwarded-for", &client),
        ] {
            headers.insert(name, header_value(text));
        }
        if self.posts {
            for name in [CONTENT_TYPE, CONTENT_ENCODING] {
                if let Some(value) = request.headers.get(&name) {
                    headers.insert(name, value.clone());
                }
            }
        }
        for edit in &self.extra {
            // An empty one is sent too: the client's own must not take its place.
            edit.apply(&mut headers, edit.rendered(context).collect());
        }
        for name in &self.copied {
            if !headers.contains_key(name) {
                for value in request.headers.get_all(name) {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        headers
    }

    fn refuse(&self, answer: HttpAnswer) -> Step<'static> {
        let mut response = Response::text(answer.status, answer.body);
        for name in &self.to_client {
            for value in answer.headers.get_all(name) {
                response = response.with_header(name.clone(), value.clone());
            }
        }
        Step::respond(response)
    }

    fn complain(&self, context: &Context, problem: &dyn std::fmt::Display) {
        if self.complaint.is_due(&*context.host) {
            tracing::warn!(service = %self.call.uri, %problem, "forward-auth: no usable answer");
        }
    }
}
