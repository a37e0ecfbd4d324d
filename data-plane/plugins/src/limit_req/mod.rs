#![doc = include_str!("README.md")]

mod bucket;
mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use weir_plugin_api::{
    CompileContext, Context, KeySource, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::table::Table;
use bucket::{Bucket, Shape};

pub use config::{Config, KeyType, Policy};

/// Delays below this are not worth a timer.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);

/// Definition of `limit-req`.
pub struct LimitReq;

impl PluginDef for LimitReq {
    const NAME: &'static str = "limit-req";
    const PRIORITY: i32 = 1001;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        if config.policy != Policy::Local {
            let policy = config.policy.name();
            return Err(format!("policy {policy} is not supported yet: use local"));
        }
        let rejected_code = StatusCode::from_u16(config.rejected_code).map_err(|_| {
            format!(
                "rejected_code must be a status, got {}",
                config.rejected_code
            )
        })?;
        Ok(Compiled {
            shape: Shape {
                rate: config.rate,
                burst: config.burst,
            },
            key: match config.key_type {
                KeyType::Var => KeySource::variable(&config.key),
                KeyType::VarCombination => KeySource::template(&config.key),
            },
            nodelay: config.nodelay,
            refusal: match &config.rejected_msg {
                Some(text) => Response::error_msg(rejected_code, text),
                None => Response::page(rejected_code),
            },
            buckets: Table::shared(&context.living, &context.state_key(Self::NAME)),
        })
    }
}

/// `limit-req`, ready to run.
pub struct Compiled {
    shape: Shape,
    key: KeySource,
    nodelay: bool,
    refusal: Response,
    buckets: Arc<Table<Bucket>>,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let now = context.host.monotonic();
        let key = self.key.resolve_or_client(context);
        let arrival = |bucket: &mut Bucket| bucket.arrive(now, self.shape);
        match self.buckets.update(&key, now, arrival) {
            None => Step::respond(self.refusal.clone()),
            Some(delay) if self.nodelay || delay < SHORTEST_DELAY => Step::Continue,
            Some(delay) => Step::Delay(delay),
        }
    }
}
