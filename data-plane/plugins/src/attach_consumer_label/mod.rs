#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::header_edit::header_name;

pub use config::Config;

/// Definition of `attach-consumer-label`.
pub struct AttachConsumerLabel;

impl PluginDef for AttachConsumerLabel {
    const NAME: &'static str = "attach-consumer-label";
    const PRIORITY: i32 = 2399;
    const PHASES: Phases = Phases::of(&[Phase::BeforeProxy]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let lines = config.headers.into_iter().map(|(name, label)| {
            let label = label.strip_prefix('$').unwrap_or(&label).to_owned();
            Ok((header_name("headers", &name)?, label))
        });
        Ok(Compiled {
            lines: lines.collect::<Result<_, String>>()?,
        })
    }
}

/// `attach-consumer-label`, ready to run.
pub struct Compiled {
    lines: Vec<(HeaderName, String)>,
}

impl Plugin for Compiled {
    fn before_proxy<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Some(consumer) = &context.consumer else {
            return Step::Continue;
        };
        let headers = &mut context.request.headers;
        for (name, label) in &self.lines {
            let value = consumer.labels.get(label);
            match value.and_then(|value| HeaderValue::from_str(value).ok()) {
                Some(value) => _ = headers.insert(name, value),
                // What a client says of itself is not a label.
                None => _ = headers.remove(name),
            }
        }
        Step::Continue
    }
}
