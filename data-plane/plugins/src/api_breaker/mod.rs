#![doc = include_str!("README.md")]

mod breaker;
mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::break_answer::BreakAnswer;
use crate::table::Table;
use breaker::{Breaker, Rules};

pub use config::{Config, Header, Healthy, Unhealthy};

/// Definition of `api-breaker`.
pub struct ApiBreaker;

impl PluginDef for ApiBreaker {
    const NAME: &'static str = "api-breaker";
    const PRIORITY: i32 = 1005;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            answer: BreakAnswer::compile(
                config.break_response_code,
                config.break_response_body,
                config.break_response_headers.as_deref(),
            )?,
            rules: Rules {
                unhealthy: config.unhealthy.http_statuses.into(),
                failures: config.unhealthy.failures,
                healthy: config.healthy.http_statuses.into(),
                successes: config.healthy.successes,
                longest: Duration::from_secs(config.max_breaker_sec),
            },
            breakers: Table::shared(&context.living, &context.state_key(Self::NAME)),
        })
    }
}

/// `api-breaker`, ready to run.
pub struct Compiled {
    answer: BreakAnswer,
    rules: Rules,
    breakers: Arc<Table<Breaker>>,
}

fn key(context: &Context) -> String {
    format!("{}{}", context.request.host, context.request.path)
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let now = context.host.monotonic();
        let known = self
            .breakers
            .peek(&key(context), |breaker| breaker.is_open(now, &self.rules));
        match known {
            Some(true) => Step::respond(self.answer.render(context)),
            Some(false) | None => Step::Continue,
        }
    }

    fn log(&self, context: &mut Context) {
        let Some(status) = context.record.upstream_statuses.last().copied() else {
            return;
        };
        let now = context.host.monotonic();
        let key = key(context);
        if self.rules.unhealthy.contains(&status) {
            self.breakers.update(&key, now, |breaker| {
                breaker.answered(status, now, &self.rules);
            });
        } else {
            // What nobody failed on is not worth a place.
            self.breakers.change_known(&key, |breaker| {
                breaker.answered(status, now, &self.rules);
                breaker.is_new()
            });
        }
    }
}
