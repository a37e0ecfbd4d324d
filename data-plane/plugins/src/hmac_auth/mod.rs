#![doc = include_str!("README.md")]

mod config;
mod signature;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, DATE};
use http::{HeaderName, StatusCode};
use serde_json::Value;
use weir_plugin_api::{
    CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use crate::authentication::{Gate, authorization};
use signature::Signature;

pub use config::{Algorithm, Config};

const DIGEST: HeaderName = HeaderName::from_static("digest");

/// Definition of `hmac-auth`.
pub struct HmacAuth;

impl PluginDef for HmacAuth {
    const NAME: &'static str = "hmac-auth";
    const PRIORITY: i32 = 2530;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const AUTH: bool = true;
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const CONSUMER_SCHEMA: Option<&'static str> = Some(include_str!("consumer.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let gate = Gate::new("hmac", &config.realm, config.anonymous_consumer.clone())?;
        Ok(Compiled { config, gate })
    }

    fn consumer_key(config: &Value) -> Option<String> {
        config.get("key_id")?.as_str().map(str::to_owned)
    }
}

/// `hmac-auth`, ready to run.
pub struct Compiled {
    config: Config,
    gate: Gate,
}

/// Why a request is not let in.
enum Refused {
    /// The answer, and what only the log is told.
    Because(&'static str, String),
    /// Its body must be read first.
    Unread,
    /// Its body is too large to be read.
    TooLarge,
}

/// Clients are told no more than this.
const INVALID: &str = "client request can't be validated";

fn invalid(detail: impl Into<String>) -> Refused {
    Refused::Because(INVALID, detail.into())
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match self.authenticate(context) {
            Ok(consumer) => context.attach_consumer(consumer),
            Err(Refused::Unread) => return Step::ReadBody,
            Err(Refused::TooLarge) => {
                let text = format!(
                    "request body is larger than {} bytes",
                    self.config.max_req_body_size
                );
                return Step::respond(Response::message(StatusCode::PAYLOAD_TOO_LARGE, &text));
            }
            Err(Refused::Because(message, detail)) => {
                tracing::debug!(detail, "hmac-auth: {message}");
                if let Some(refusal) = self.gate.fall_back(context, message) {
                    return refusal;
                }
            }
        }
        if self.config.hide_credentials {
            context.request.headers.remove(AUTHORIZATION);
        }
        Step::Continue
    }
}

impl Compiled {
    fn authenticate(&self, context: &Context) -> Result<Arc<Consumer>, Refused> {
        let field = authorization(context).ok_or_else(|| {
            let text = "client request can't be validated: missing Authorization header";
            Refused::Because(text, String::new())
        })?;
        let parameters = field.strip_prefix("Signature").ok_or_else(|| {
            let text = "client request can't be validated: Authorization header does not start with 'Signature'";
            Refused::Because(text, String::new())
        })?;
        let signature = Signature::parse(parameters).map_err(invalid)?;
        if !self
            .config
            .allowed_algorithms
            .contains(&signature.algorithm)
        {
            return Err(invalid("algorithm is not allowed"));
        }
        let consumer = context.host.find_consumer(HmacAuth::NAME, signature.key_id);
        let consumer = consumer.ok_or_else(|| invalid("no consumer has this keyId"))?;
        self.check_date(context)?;
        let wanted = &self.config.signed_headers;
        let is_signed = |name: &str| {
            signature
                .headers
                .iter()
                .any(|h| h.eq_ignore_ascii_case(name))
        };
        if let Some(missing) = wanted.iter().find(|name| !is_signed(name)) {
            return Err(invalid(format!("header {missing:?} is not signed")));
        }
        let secret = consumer
            .auth_config
            .get("secret_key")
            .and_then(Value::as_str);
        let secret = secret.ok_or_else(|| invalid("the consumer has no secret_key"))?;
        let key = hmac::Key::new(signature.algorithm.hmac(), secret.as_bytes());
        let text = signature.text(&context.request);
        hmac::verify(&key, &text, &signature.signature)
            .map_err(|_| invalid("signature does not fit"))?;
        // The body last: nobody makes us read it without a good signature.
        if self.config.validate_request_body {
            self.check_body(context)?;
        }
        Ok(consumer)
    }

    fn check_date(&self, context: &Context) -> Result<(), Refused> {
        if self.config.clock_skew == 0 {
            return Ok(());
        }
        let date = context.request.headers.get(DATE);
        let date = date.and_then(|value| value.to_str().ok());
        let date = date.ok_or_else(|| invalid("date header missing"))?;
        let date = httpdate::parse_http_date(date).map_err(|_| invalid("date is not a date"))?;
        let now = UNIX_EPOCH + Duration::from_millis(context.host.unix_ms());
        let apart = now
            .duration_since(date)
            .unwrap_or_else(|error| error.duration());
        if apart.as_secs() > self.config.clock_skew {
            return Err(invalid("clock skew exceeded"));
        }
        Ok(())
    }

    fn check_body(&self, context: &Context) -> Result<(), Refused> {
        let told = context.request.headers.get(DIGEST);
        let told = told.and_then(|value| value.to_str().ok());
        let told = told.ok_or_else(|| invalid("digest header missing"))?;
        let body = match context.request.body.whole(self.config.max_req_body_size) {
            WholeBody::Read(body) => body,
            WholeBody::Unread => return Err(Refused::Unread),
            WholeBody::TooLarge => return Err(Refused::TooLarge),
        };
        let hash = STANDARD.encode(digest(&SHA256, body));
        if told.strip_prefix("SHA-256=") != Some(&hash) {
            return Err(invalid("digest is not that of the body"));
        }
        Ok(())
    }
}
