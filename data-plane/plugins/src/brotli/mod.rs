#![doc = include_str!("README.md")]

mod config;

use ::brotli::enc::BrotliEncoderParams;
use ::brotli::enc::backward_references::BrotliEncoderMode;
use weir_plugin_api::{CompileContext, Phase, Phases, PluginDef};

use crate::compression::{Codec, Compiled};

pub use config::Config;

/// Definition of `brotli`.
pub struct Brotli;

impl PluginDef for Brotli {
    const NAME: &'static str = "brotli";
    const PRIORITY: i32 = 996;
    const PHASES: Phases = Phases::of(&[Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let mut parameters = BrotliEncoderParams {
            quality: config.comp_level,
            lgblock: config.lgblock,
            mode: match config.mode {
                1 => BrotliEncoderMode::BROTLI_MODE_TEXT,
                2 => BrotliEncoderMode::BROTLI_MODE_FONT,
                _ => BrotliEncoderMode::BROTLI_MODE_GENERIC,
            },
            ..BrotliEncoderParams::default()
        };
        if config.lgwin > 0 {
            parameters.lgwin = config.lgwin;
        }
        Ok(Compiled::new(
            Codec::Brotli(Box::new(parameters)),
            config.selection,
        ))
    }
}
