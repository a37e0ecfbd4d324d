#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::function_call::{Function, answered, set_unless_sent};
use crate::header_edit::basic_value;

pub use config::{Authorization, Config};

/// Definition of `openfunction`.
pub struct OpenFunction;

impl PluginDef for OpenFunction {
    const NAME: &'static str = "openfunction";
    const PRIORITY: i32 = -1902;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let function = Function::at(Self::NAME, config.function)?;
        let token = config.authorization.and_then(|own| own.service_token);
        let authorization = token
            .map(|token| basic_value("authorization.service_token", &token))
            .transpose()?;
        Ok(Compiled {
            function,
            authorization,
        })
    }
}

/// `openfunction`, ready to run.
pub struct Compiled {
    function: Function,
    authorization: Option<HeaderValue>,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let mut call = match self.function.request(context) {
            Ok(call) => call,
            Err(step) => return step,
        };
        set_unless_sent(&mut call, &AUTHORIZATION, self.authorization.as_ref());
        self.function.ask(call, context, answered)
    }
}
