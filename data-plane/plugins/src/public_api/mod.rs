#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::{Method, StatusCode};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::batch_requests;

pub use config::Config;

/// Definition of `public-api`.
pub struct PublicApi;

impl PluginDef for PublicApi {
    const NAME: &'static str = "public-api";
    const PRIORITY: i32 = 501;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            config,
            apis: [Api {
                path: batch_requests::path(context)?,
                method: Method::POST,
                serve: batch_requests::serve,
            }],
        })
    }
}

/// An API that a plugin offers. Nobody reaches it but through this plugin.
struct Api {
    path: String,
    method: Method,
    serve: fn(&mut Context) -> Step<'_>,
}

/// `public-api`, ready to run.
pub struct Compiled {
    config: Config,
    /// All of them. A plugin that offers one adds one.
    apis: [Api; 1],
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let request = &context.request;
        let path = self.config.uri.as_deref().unwrap_or(&request.path);
        let api = self
            .apis
            .iter()
            .find(|api| api.path == path && api.method == request.method);
        match api {
            Some(api) => (api.serve)(context),
            None => Step::respond(Response::page(StatusCode::NOT_FOUND)),
        }
    }
}
