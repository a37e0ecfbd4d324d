#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

pub use config::Config;

/// Definition of `proxy-control`.
pub struct ProxyControl;

impl PluginDef for ProxyControl {
    const NAME: &'static str = "proxy-control";
    const PRIORITY: i32 = 21990;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            buffers: config.request_buffering,
        })
    }
}

/// `proxy-control`, ready to run.
pub struct Compiled {
    buffers: bool,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.buffers {
            let body = &context.request.body;
            body.want();
            if body.wanted().is_some() {
                return Step::ReadBody;
            }
        }
        Step::Continue
    }
}
