#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use regex::bytes::RegexSet;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, RequestHead, Response, Step,
};

use crate::refusal::status;
use crate::substitution::bytes_set;

pub use config::Config;

/// Definition of `uri-blocker`.
pub struct UriBlocker;

impl PluginDef for UriBlocker {
    const NAME: &'static str = "uri-blocker";
    const PRIORITY: i32 = 2900;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let code = status("rejected_code", config.rejected_code)?;
        Ok(Compiled {
            rules: bytes_set(&config.block_rules, config.case_insensitive)?,
            refusal: match &config.rejected_msg {
                Some(text) => Response::error_msg(code, text),
                None => Response::page(code),
            },
        })
    }
}

/// `uri-blocker`, ready to run.
pub struct Compiled {
    rules: RegexSet,
    refusal: Response,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.blocks(&context.request) {
            return Step::respond(self.refusal.clone());
        }
        Step::Continue
    }
}

impl Compiled {
    /// Both readings of the target count: as it was sent, and as it is routed and forwarded.
    fn blocks(&self, request: &RequestHead) -> bool {
        if self.rules.is_match(request.raw_target.as_bytes()) {
            return true;
        }
        let (raw_path, query) = match request.raw_target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.raw_target.as_str(), None),
        };
        if raw_path == request.path {
            return false;
        }
        match query {
            None => self.rules.is_match(request.path.as_bytes()),
            Some(query) => {
                let target = format!("{}?{query}", request.path);
                self.rules.is_match(target.as_bytes())
            }
        }
    }
}
