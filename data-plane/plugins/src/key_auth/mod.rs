#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use weir_plugin_api::request::{encode_path, query_arg, query_without};
use weir_plugin_api::{
    CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Response, Step,
};

pub use config::Config;

/// Definition of `key-auth`.
pub struct KeyAuth;

impl PluginDef for KeyAuth {
    const NAME: &'static str = "key-auth";
    const PRIORITY: i32 = 2500;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const AUTH: bool = true;
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const CONSUMER_SCHEMA: Option<&'static str> = Some(include_str!("consumer.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let header = HeaderName::from_bytes(config.header.as_bytes())
            .map_err(|_| format!("header must be a header name, got {:?}", config.header))?;
        let challenge = format!("apikey realm=\"{}\"", config.realm);
        let challenge = HeaderValue::from_str(&challenge)
            .map_err(|_| format!("realm must be visible ASCII, got {:?}", config.realm))?;
        Ok(Compiled {
            header,
            query: config.query,
            hide_credentials: config.hide_credentials,
            anonymous_consumer: config.anonymous_consumer,
            challenge,
        })
    }

    fn consumer_key(config: &Value) -> Option<String> {
        config.get("key")?.as_str().map(str::to_owned)
    }
}

/// `key-auth`, ready to run.
pub struct Compiled {
    header: HeaderName,
    query: String,
    hide_credentials: bool,
    anonymous_consumer: Option<String>,
    challenge: HeaderValue,
}

/// Where the key was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Query,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let (consumer, message) = match self.authenticate(context) {
            Ok((consumer, place)) => {
                if self.hide_credentials {
                    self.hide(context, place);
                }
                context.attach_consumer(consumer);
                return Step::Continue;
            }
            Err(message) => match &self.anonymous_consumer {
                None => (None, message),
                Some(name) => (
                    context.host.consumer_by_name(name),
                    "Invalid user authorization",
                ),
            },
        };
        let Some(consumer) = consumer else {
            return Step::respond(
                Response::message(StatusCode::UNAUTHORIZED, message)
                    .with_header(WWW_AUTHENTICATE, self.challenge.clone()),
            );
        };
        if self.hide_credentials {
            self.hide(context, Place::Header);
            self.hide(context, Place::Query);
        }
        context.attach_consumer(consumer);
        Step::Continue
    }
}

impl Compiled {
    fn authenticate(&self, context: &Context) -> Result<(Arc<Consumer>, Place), &'static str> {
        const INVALID: &str = "Invalid API key in request";
        if let Some(value) = context.request.headers.get(&self.header) {
            let key = std::str::from_utf8(value.as_bytes()).map_err(|_| INVALID)?;
            let consumer = context.host.find_consumer(KeyAuth::NAME, key);
            return Ok((consumer.ok_or(INVALID)?, Place::Header));
        }
        let key = context.query_arg(&self.query);
        let key = key.ok_or("Missing API key in request")?;
        let consumer = context.host.find_consumer(KeyAuth::NAME, &key);
        Ok((consumer.ok_or(INVALID)?, Place::Query))
    }

    /// Takes the credential out of everything that the node may see.
    fn hide(&self, context: &mut Context, place: Place) {
        if place == Place::Header {
            context.request.headers.remove(&self.header);
            return;
        }
        let request = &mut context.request;
        let Some(query) = request.query.take() else {
            return;
        };
        if query_arg(&query, &self.query).is_none() {
            request.query = Some(query);
            return;
        }
        request.query = query_without(&query, &self.query);
        let path = encode_path(&request.path);
        let target = context
            .target
            .uri
            .take()
            .unwrap_or_else(|| match &request.query {
                Some(query) => format!("{path}?{query}"),
                None => path,
            });
        context.target.uri = Some(without_argument(target, &self.query));
        let raw = std::mem::take(&mut request.raw_target);
        request.raw_target = without_argument(raw, &self.query);
    }
}

fn without_argument(target: String, name: &str) -> String {
    match target.split_once('?') {
        None => target,
        Some((path, query)) => match query_without(query, name) {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        },
    }
}
