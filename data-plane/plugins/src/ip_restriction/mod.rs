#![doc = include_str!("README.md")]

mod config;
pub(crate) mod ranges;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, StreamContext,
    StreamPlugin, StreamPluginDef, StreamStep,
};

use crate::refusal::{Lists, status};
use ranges::Ranges;

pub use config::Config;

const NAME: &str = "ip-restriction";
const PRIORITY: i32 = 3000;
const SCHEMA: &str = include_str!("schema.json");

/// Definition of `ip-restriction`, on requests and on streams.
pub struct IpRestriction;

impl PluginDef for IpRestriction {
    const NAME: &'static str = NAME;
    const PRIORITY: i32 = PRIORITY;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = SCHEMA;

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Compiled::new(config)
    }
}

impl StreamPluginDef for IpRestriction {
    const NAME: &'static str = NAME;
    const PRIORITY: i32 = PRIORITY;
    const SCHEMA: &'static str = SCHEMA;

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Compiled::new(config)
    }
}

/// `ip-restriction`, ready to run.
pub struct Compiled {
    lists: Lists<Ranges>,
    refusal: Response,
}

impl Compiled {
    fn new(config: Config) -> Result<Self, String> {
        let code = status("response_code", config.response_code)?;
        Ok(Self {
            lists: Lists::of(config.whitelist, config.blacklist, Ranges::parse)?,
            refusal: Response::message(code, &config.message),
        })
    }

    fn allows(&self, client: IpAddr) -> bool {
        self.lists.allows(|ranges| ranges.contains(client))
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.allows(context.request.client_ip) {
            return Step::Continue;
        }
        Step::respond(self.refusal.clone())
    }
}

impl StreamPlugin for Compiled {
    fn preread(&self, context: &mut StreamContext) -> StreamStep {
        if self.allows(context.head.client_ip()) {
            return StreamStep::Continue;
        }
        StreamStep::Refuse(self.refusal.status.as_u16())
    }
}
