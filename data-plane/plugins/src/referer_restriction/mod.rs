#![doc = include_str!("README.md")]

mod config;
mod hosts;
#[cfg(test)]
mod tests;

use http::header::REFERER;
use http::{HeaderValue, StatusCode, Uri};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::refusal::Lists;
use hosts::Hosts;

pub use config::Config;

/// Definition of `referer-restriction`.
pub struct RefererRestriction;

impl PluginDef for RefererRestriction {
    const NAME: &'static str = "referer-restriction";
    const PRIORITY: i32 = 2990;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            lists: Lists::of(config.whitelist, config.blacklist, |list| {
                Ok(Hosts::of(list))
            })?,
            bypass_missing: config.bypass_missing,
            refusal: Response::message(StatusCode::FORBIDDEN, &config.message),
        })
    }
}

/// `referer-restriction`, ready to run.
pub struct Compiled {
    lists: Lists<Hosts>,
    bypass_missing: bool,
    refusal: Response,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let referer = context.request.headers.get(REFERER).and_then(host_of);
        let passes = match referer {
            None => self.bypass_missing,
            Some(host) => self.lists.allows(|hosts| hosts.contains(&host)),
        };
        if passes {
            return Step::Continue;
        }
        Step::respond(self.refusal.clone())
    }
}

/// The host of an absolute URL, in lower case.
fn host_of(value: &HeaderValue) -> Option<String> {
    let url: Uri = Uri::try_from(value.as_bytes()).ok()?;
    url.scheme()?;
    Some(url.host()?.to_ascii_lowercase())
}
