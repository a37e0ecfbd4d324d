#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::StatusCode;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

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
        let Some(most) = self.max_body else {
            return Step::Continue;
        };
        context.max_body = Some(most);
        let announced = context.header("content-length");
        let announced = announced.and_then(|length| length.parse::<u64>().ok());
        if most > 0 && announced.is_some_and(|length| length > most) {
            context.record.reason = "body_too_large";
            return Step::respond(Response::page(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Step::Continue
    }
}
