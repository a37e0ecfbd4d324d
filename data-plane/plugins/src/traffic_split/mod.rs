#![doc = include_str!("README.md")]

mod config;
mod rule;
pub mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::StatusCode;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use rule::CompiledRule;

pub use config::{Config, Match, Rule, WeightedUpstream};

/// Definition of `traffic-split`.
pub struct TrafficSplit;

impl PluginDef for TrafficSplit {
    const NAME: &'static str = "traffic-split";
    const PRIORITY: i32 = 966;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            rules: CompiledRule::all(&config, &context.state_key(Self::NAME), context)?,
        })
    }
}

/// `traffic-split`, ready to run.
pub struct Compiled {
    rules: Box<[CompiledRule]>,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(context)) else {
            return Step::Continue;
        };
        if let Some(missing) = rule.missing(&*context.host) {
            return Step::respond(no_upstream(missing));
        }
        context.target.upstream = rule.choose();
        Step::Continue
    }
}

fn no_upstream(id: &Arc<str>) -> Response {
    let text = format!("failed to fetch upstream info by upstream id: {id}");
    Response::text(StatusCode::INTERNAL_SERVER_ERROR, text)
}
