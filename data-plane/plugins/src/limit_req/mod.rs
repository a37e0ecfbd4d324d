#![doc = include_str!("README.md")]

mod bucket;
mod config;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use weir_plugin_api::{
    CompileContext, Context, KeySource, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::redis::Store;
use crate::refusal::status;
use crate::table::Table;
use bucket::{Bucket, Shape};

pub use config::{Config, KeyType};

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
        let rejected_code = status("rejected_code", config.rejected_code)?;
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
            allow_degradation: config.allow_degradation,
            buckets: match config.redis.server(config.policy)? {
                Some(server) => Buckets::Shared(Store::new(Self::NAME, server, context, None)),
                None => {
                    let key = context.state_key(Self::NAME);
                    Buckets::Local(Table::shared(&context.living, &key))
                }
            },
        })
    }
}

/// `limit-req`, ready to run.
pub struct Compiled {
    shape: Shape,
    key: KeySource,
    nodelay: bool,
    refusal: Response,
    allow_degradation: bool,
    buckets: Buckets,
}

/// Where buckets are kept.
enum Buckets {
    Local(Arc<Table<Bucket>>),
    Shared(Store),
}

impl Compiled {
    /// What follows from the wait of a request, which is none when the bucket is full.
    fn end(&self, wait: Option<Duration>) -> Step<'static> {
        match wait {
            None => Step::respond(self.refusal.clone()),
            Some(delay) if self.nodelay || delay < SHORTEST_DELAY => Step::Continue,
            Some(delay) => Step::Delay(delay),
        }
    }

    async fn access_shared(&self, store: &Store, context: &mut Context) -> Step<'static> {
        let host = Arc::clone(&context.host);
        let key = self.key.resolve_or_client(context);
        match shared::arrive(store, &*host, &key, self.shape).await {
            Ok(wait) => self.end(wait),
            Err(problem) => {
                store.complain(&*host, &problem);
                if self.allow_degradation {
                    return Step::Continue;
                }
                Step::respond(Response::page(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match &self.buckets {
            Buckets::Local(buckets) => {
                let now = context.host.monotonic();
                let key = self.key.resolve_or_client(context);
                let arrival = |bucket: &mut Bucket| bucket.arrive(now, self.shape);
                self.end(buckets.update(&key, now, arrival))
            }
            Buckets::Shared(store) => Step::Wait(Box::pin(self.access_shared(store, context))),
        }
    }
}
