#![doc = include_str!("README.md")]

mod config;

use weir_plugin_api::{CompileContext, Phase, Phases, PluginDef};

use crate::compression::{Codec, Compiled};

pub use config::Config;

/// Definition of `zstd`, which APISIX does not have.
pub struct Zstd;

impl PluginDef for Zstd {
    const NAME: &'static str = "zstd";
    const PRIORITY: i32 = 997;
    const PHASES: Phases = Phases::of(&[Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let codec = Codec::Zstd {
            level: config.comp_level,
            window_log: Some(config.window_log).filter(|log| *log > 0),
            checksum: config.checksum,
        };
        Ok(Compiled::new(codec, config.selection))
    }
}
