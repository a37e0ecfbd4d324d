#![doc = include_str!("README.md")]

mod config;

use weir_plugin_api::{CompileContext, Phase, Phases, PluginDef};

use crate::compression::Codec;

pub use crate::compression::{Compiled, Selection, Types};

pub use config::{Buffers, Config};

/// Definition of `gzip`.
pub struct Gzip;

impl PluginDef for Gzip {
    const NAME: &'static str = "gzip";
    const PRIORITY: i32 = 995;
    const PHASES: Phases = Phases::of(&[Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let codec = Codec::Gzip {
            level: config.comp_level,
            step: config.buffers.size.max(1),
            room: config.buffers.size.saturating_mul(config.buffers.number),
        };
        Ok(Compiled::new(codec, config.selection))
    }
}
