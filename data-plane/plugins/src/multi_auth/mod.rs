#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::StatusCode;
use serde_json::Value;
use weir_model::schema;
use weir_plugin_api::{
    CompileContext, CompiledPlugin, Context, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::catalog::Builtin;

pub use config::Config;

/// Definition of `multi-auth`.
pub struct MultiAuth;

impl PluginDef for MultiAuth {
    const NAME: &'static str = "multi-auth";
    const PRIORITY: i32 = 2600;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let entries = config.auth_plugins.into_iter().flatten();
        let plugins = entries.map(|(name, config)| one(&name, config, context));
        Ok(Compiled {
            plugins: plugins.collect::<Result<_, _>>()?,
        })
    }
}

fn one(
    name: &str,
    mut config: Value,
    context: &CompileContext<'_>,
) -> Result<(&'static str, CompiledPlugin), String> {
    let entry = Builtin.entry(name);
    let entry = entry.ok_or_else(|| format!("{name} plugin did not found"))?;
    if !entry.auth {
        return Err(format!("{name} plugin is not supported"));
    }
    schema::check(entry.schema(), &mut config)
        .map_err(|problem| format!("plugin {name} check schema failed: {}", problem.message))?;
    let plugin = entry.compile(&config, context);
    let plugin = plugin.map_err(|error| format!("plugin {name} check schema failed: {error}"))?;
    Ok((entry.name, plugin))
}

/// `multi-auth`, ready to run.
pub struct Compiled {
    plugins: Vec<(&'static str, CompiledPlugin)>,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        Step::Wait(Box::pin(self.any(context)))
    }
}

impl Compiled {
    async fn any(&self, context: &mut Context) -> Step<'static> {
        for (name, plugin) in &self.plugins {
            match settled(plugin.rewrite(context)).await {
                Settled::Passed => return Step::Continue,
                Settled::ReadBody => return Step::ReadBody,
                Settled::Refused(answer) => {
                    tracing::debug!(plugin = name, status = %answer.status, body = ?answer.body,
                        "multi-auth: refused");
                }
            }
        }
        let answer = Response::message(StatusCode::UNAUTHORIZED, "Authorization Failed");
        Step::respond(answer)
    }
}

enum Settled {
    Passed,
    ReadBody,
    Refused(Box<Response>),
}

async fn settled(mut step: Step<'_>) -> Settled {
    loop {
        step = match step {
            Step::Continue | Step::Delay(_) => return Settled::Passed,
            Step::ReadBody => return Settled::ReadBody,
            Step::Respond(answer) | Step::RespondAfter(_, answer) => {
                return Settled::Refused(answer);
            }
            Step::Wait(future) => future.await,
        }
    }
}
