#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::body_transformer::{self, Side, SideConfig};
use crate::proxy_rewrite::{self, ProxyRewrite};

pub use config::Config;

/// Definition of `request-rewrite`.
pub struct RequestRewrite;

impl PluginDef for RequestRewrite {
    const NAME: &'static str = "request-rewrite";
    /// Ours: behind body-transformer, before proxy-rewrite.
    const PRIORITY: i32 = 1079;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let body = config.template.map(|template| {
            let side = SideConfig {
                input_format: config.input_format,
                template,
                template_is_base64: config.template_is_base64,
            };
            Side::compile(&side, "request")
        });
        Ok(Compiled {
            body: body.transpose()?,
            max_body: config.max_req_body_size,
            head: ProxyRewrite::compile(config.head, context)?,
        })
    }
}

/// `request-rewrite`, ready to run.
pub struct Compiled {
    body: Option<Side>,
    max_body: usize,
    head: proxy_rewrite::Compiled,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if let Some(side) = &self.body {
            match body_transformer::request(side, self.max_body, context) {
                Step::Continue => {}
                other => return other,
            }
        }
        self.head.rewrite(context)
    }
}
