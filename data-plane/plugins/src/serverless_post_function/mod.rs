#![doc = include_str!("README.md")]

use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::serverless_pre_function::{Compiled, Config, PHASES};

/// Definition of `serverless-post-function`.
pub struct ServerlessPostFunction;

impl PluginDef for ServerlessPostFunction {
    const NAME: &'static str = "serverless-post-function";
    const PRIORITY: i32 = -2000;
    const PHASES: Phases = PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Compiled::new(Self::NAME, config)
    }
}
