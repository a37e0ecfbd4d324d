#![doc = include_str!("README.md")]

#[cfg(test)]
mod tests;

use weir_plugin_api::{CompileContext, Phases, PluginDef};

pub use crate::unconfigured::{Compiled, Config};

/// Definition of `server-info`.
pub struct ServerInfo;

impl PluginDef for ServerInfo {
    const NAME: &'static str = "server-info";
    const PRIORITY: i32 = 990;
    // The agent answers for it; it does nothing to requests.
    const PHASES: Phases = Phases::of(&[]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(_config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled)
    }
}
