#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Consumer, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::authentication::{Gate, hide_argument};
use crate::header_edit::header_name;

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
        let header = header_name("header", &config.header)?;
        let gate = Gate::new("apikey", &config.realm, config.anonymous_consumer)?;
        Ok(Compiled {
            header,
            query: config.query,
            hide_credentials: config.hide_credentials,
            gate,
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
    gate: Gate,
}

/// Where the key was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Query,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let message = match self.authenticate(context) {
            Ok((consumer, place)) => {
                if self.hide_credentials {
                    self.hide(context, place);
                }
                context.attach_consumer(consumer);
                return Step::Continue;
            }
            Err(message) => message,
        };
        if let Some(refusal) = self.gate.fall_back(context, message) {
            return refusal;
        }
        if self.hide_credentials {
            self.hide(context, Place::Header);
            self.hide(context, Place::Query);
        }
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

    fn hide(&self, context: &mut Context, place: Place) {
        match place {
            Place::Header => _ = context.request.headers.remove(&self.header),
            Place::Query => hide_argument(context, &self.query),
        }
    }
}
