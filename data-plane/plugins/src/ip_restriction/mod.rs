#![doc = include_str!("README.md")]

mod config;
pub(crate) mod ranges;
#[cfg(test)]
mod tests;

use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::refusal::{Lists, status};
use ranges::Ranges;

pub use config::Config;

/// Definition of `ip-restriction`.
pub struct IpRestriction;

impl PluginDef for IpRestriction {
    const NAME: &'static str = "ip-restriction";
    const PRIORITY: i32 = 3000;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let code = status("response_code", config.response_code)?;
        Ok(Compiled {
            lists: Lists::of(config.whitelist, config.blacklist, Ranges::parse)?,
            refusal: Response::message(code, &config.message),
        })
    }
}

/// `ip-restriction`, ready to run.
pub struct Compiled {
    lists: Lists<Ranges>,
    refusal: Response,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let client = context.request.client_ip;
        if self.lists.allows(|ranges| ranges.contains(client)) {
            return Step::Continue;
        }
        Step::respond(self.refusal.clone())
    }
}
