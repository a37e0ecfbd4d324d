#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

pub use config::Config;

/// Definition of `client-control`.
pub struct ClientControl;

impl PluginDef for ClientControl {
    const NAME: &'static str = "client-control";
    const PRIORITY: i32 = 22000;
    const PREVIEW: bool = true;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            max_body: config.max_body_size,
        })
    }
}

/// `client-control`, ready to run.
pub struct Compiled {
    max_body: Option<u64>,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.max_body.is_some() {
            context.max_body = self.max_body;
        }
        Step::Continue
    }
}
