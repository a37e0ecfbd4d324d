#![doc = include_str!("README.md")]

mod check;
mod config;
mod parameter;
mod remote;
mod spec;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::StatusCode;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::refusal::status;
use check::Misfit;
use remote::Remote;
use spec::Spec;

pub use config::{Config, Metadata};

/// Definition of `oas-validator`.
pub struct OasValidator;

impl PluginDef for OasValidator {
    const NAME: &'static str = "oas-validator";
    const PRIORITY: i32 = 512;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let source = match (&config.spec, &config.spec_url) {
            (Some(text), None) => {
                let spec = Spec::parse(text);
                let spec = spec.map_err(|reason| format!("failed to parse openapi spec: {reason}"));
                Source::Here(Arc::new(spec?))
            }
            (None, Some(url)) => Source::There(Box::new(Remote::compile(url, &config, context)?)),
            _ => return Err("expected one of spec and spec_url".into()),
        };
        let refusal = status("rejection_status_code", config.rejection_status_code)?;
        Ok(Compiled {
            source,
            config,
            refusal,
        })
    }
}

/// `oas-validator`, ready to run.
pub struct Compiled {
    source: Source,
    config: Config,
    refusal: StatusCode,
}

enum Source {
    Here(Arc<Spec>),
    There(Box<Remote>),
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let remote = match &self.source {
            Source::Here(spec) => return self.decide(spec, context),
            Source::There(remote) => remote,
        };
        if let Some(spec) = remote.spec(&context.host) {
            return self.decide(&spec, context);
        }
        Step::Wait(Box::pin(async move {
            let host = Arc::clone(&context.host);
            match remote.fetch(&host).await {
                Some(spec) => self.decide(&spec, context),
                None => Step::respond(Response::message(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "failed to parse openapi spec",
                )),
            }
        }))
    }
}

impl Compiled {
    fn decide(&self, spec: &Spec, context: &Context) -> Step<'static> {
        match check::check(spec, &self.config, &context.request) {
            Ok(()) => Step::Continue,
            Err(Misfit::Unread) => Step::ReadBody,
            Err(Misfit::TooLarge) => {
                let limit = self.config.max_req_body_size;
                let text = format!(
                    "error reading the request body. err: request body is larger than {limit} bytes"
                );
                Step::respond(Response::message(StatusCode::PAYLOAD_TOO_LARGE, &text))
            }
            Err(Misfit::Because(reason)) => {
                let route = context.route.as_ref().map(|route| &*route.id);
                tracing::warn!(
                    reason,
                    route,
                    "oas-validator: a request does not fit the spec"
                );
                if !self.config.reject_if_not_match {
                    return Step::Continue;
                }
                let text = if self.config.verbose_errors {
                    format!("failed to validate request. {reason}")
                } else {
                    "failed to validate request.".to_owned()
                };
                Step::respond(Response::message(self.refusal, &text))
            }
        }
    }
}
