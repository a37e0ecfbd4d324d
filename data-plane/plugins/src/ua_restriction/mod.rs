#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::StatusCode;
use http::header::USER_AGENT;
use regex::bytes::RegexSet;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::refusal::Lists;
use crate::substitution::bytes_set;

pub use config::Config;

/// Definition of `ua-restriction`.
pub struct UaRestriction;

impl PluginDef for UaRestriction {
    const NAME: &'static str = "ua-restriction";
    const PRIORITY: i32 = 2999;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            lists: Lists::of(config.allowlist, config.denylist, |list| {
                bytes_set(list, false)
            })?,
            bypass_missing: config.bypass_missing,
            refusal: Response::message(StatusCode::FORBIDDEN, &config.message),
        })
    }
}

/// `ua-restriction`, ready to run.
pub struct Compiled {
    lists: Lists<RegexSet>,
    bypass_missing: bool,
    refusal: Response,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let headers = &context.request.headers;
        let mut agents = headers.get_all(USER_AGENT).iter().peekable();
        let passes = match agents.peek() {
            None => self.bypass_missing,
            // Whoever sends several must pass with each.
            Some(_) => agents.all(|agent| {
                let text = agent.as_bytes().trim_ascii();
                self.lists.allows(|set| set.is_match(text))
            }),
        };
        if passes {
            return Step::Continue;
        }
        Step::respond(self.refusal.clone())
    }
}
