#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::function_call::{Function, answered, secret, set_unless_sent};

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
        let function = Function::new(
            Self::NAME,
            "function_uri",
            &config.function.function_uri,
            config.function.call,
            StatusCode::BAD_REQUEST,
        )?;
        let token = config.authorization.and_then(|own| own.service_token);
        let authorization = token
            .map(|token| basic("authorization.service_token", &token))
            .transpose()?;
        Ok(Compiled {
            function,
            authorization,
        })
    }
}

/// `Authorization` of basic authentication, for a token `NAME:SECRET`.
///
/// # Errors
/// None: what is encoded can stand in a header.
pub(crate) fn basic(field: &str, token: &str) -> Result<HeaderValue, String> {
    secret(field, &format!("Basic {}", STANDARD.encode(token)))
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
