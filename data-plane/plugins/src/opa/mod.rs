#![doc = include_str!("README.md")]

mod config;
mod decision;
mod input;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use weir_plugin_api::outside::{CallError, HttpCall};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::service_call::{Complaint, header_names, url};
use decision::Decision;

pub use config::Config;

/// Definition of `opa`.
pub struct Opa;

impl PluginDef for Opa {
    const NAME: &'static str = "opa";
    const PRIORITY: i32 = 2001;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        url("host", &config.host)?;
        let place = format!(
            "{}/v1/data/{}",
            config.host.trim_end_matches('/'),
            config.policy.trim_start_matches('/')
        );
        let uri = url("host and policy", &place)?;
        let mut call = HttpCall::new(Method::POST, uri);
        config.call.apply(&mut call);
        let json = HeaderValue::from_static("application/json");
        call.headers.insert(CONTENT_TYPE, json);
        let to_node = config.send_headers_upstream.unwrap_or_default();
        Ok(Compiled {
            call,
            with_route: config.with_route,
            with_service: config.with_service,
            with_consumer: config.with_consumer,
            to_node: header_names("send_headers_upstream", &to_node)?,
            complaint: Complaint::default(),
        })
    }
}

/// `opa`, ready to run.
pub struct Compiled {
    call: HttpCall,
    with_route: bool,
    with_service: bool,
    with_consumer: bool,
    to_node: Vec<HeaderName>,
    complaint: Complaint,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        Step::Wait(Box::pin(self.ask(context)))
    }
}

impl Compiled {
    async fn ask(&self, context: &mut Context) -> Step<'static> {
        let call = HttpCall {
            body: Bytes::from(input::of(self, context).to_string()),
            ..self.call.clone()
        };
        // What a client claims in the name of the policy reaches no node.
        for name in &self.to_node {
            context.request.headers.remove(name);
        }
        let answer = match context.host.outside().http(call).await {
            Ok(answer) => decision::read(&answer),
            Err(error @ CallError::TooLarge { .. }) => Err(error.to_string()),
            Err(error) => {
                self.complain(context, &error);
                return Step::respond(Response::page(StatusCode::FORBIDDEN));
            }
        };
        match answer {
            Ok(Decision::Allowed(fields)) => {
                for (name, value) in fields {
                    if self.to_node.contains(&name) {
                        context.request.headers.append(name, value);
                    }
                }
                Step::Continue
            }
            Ok(Decision::Denied(response)) => Step::respond(response),
            Err(problem) => {
                self.complain(context, &problem);
                Step::respond(Response::page(StatusCode::SERVICE_UNAVAILABLE))
            }
        }
    }

    fn complain(&self, context: &Context, problem: &dyn std::fmt::Display) {
        if self.complaint.is_due(&*context.host) {
            tracing::warn!(policy = %self.call.uri, %problem, "opa: no decision");
        }
    }
}
