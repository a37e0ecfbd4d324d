#![doc = include_str!("README.md")]

mod config;
mod count;
mod limit;
mod shared;
pub mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::redis::Store;
use crate::refusal::status;
use crate::table::Table;
use count::{Count, Unit};
use limit::{Limit, Room};

pub use config::{Config, Rule};

/// Delays below this are not worth a timer.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);

/// Definition of `limit-conn`.
pub struct LimitConn;

impl PluginDef for LimitConn {
    const NAME: &'static str = "limit-conn";
    const PRIORITY: i32 = 1003;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let rejected_code = status("rejected_code", config.rejected_code)?;
        let unit = Duration::try_from_secs_f64(config.default_conn_delay).map_err(|_| {
            let got = config.default_conn_delay;
            format!("default_conn_delay is too long, got {got:?}")
        })?;
        let state = context.state_key(Self::NAME);
        let units = format!("{state}\u{0}unit");
        Ok(Compiled {
            limits: Limit::compile(&config)?,
            unit: context.living.get_or_init(&units, || Unit::new(unit)),
            learns: !config.only_use_default_delay,
            refusal: match &config.rejected_msg {
                Some(text) => Response::error_msg(rejected_code, text),
                None => Response::page(rejected_code),
            },
            allow_degradation: config.allow_degradation,
            counts: match config.redis.server(config.policy)? {
                None => Counts::Local(Table::shared(&context.living, &state)),
                Some(server) => Counts::Shared(
                    Store::new(Self::NAME, server, context, None),
                    life(config.key_ttl)?,
                ),
            },
        })
    }
}

fn life(key_ttl: i64) -> Result<Duration, String> {
    let seconds = u64::try_from(key_ttl).ok().filter(|seconds| *seconds > 0);
    let seconds = seconds.ok_or_else(|| format!("key_ttl must be above 0, got {key_ttl}"))?;
    Ok(Duration::from_secs(seconds))
}

/// `limit-conn`, ready to run.
pub struct Compiled {
    limits: Vec<Limit>,
    unit: Arc<Unit>,
    learns: bool,
    refusal: Response,
    allow_degradation: bool,
    counts: Counts,
}

/// Where requests are counted.
enum Counts {
    Local(Arc<Table<Count>>),
    /// With the time after which a request is not counted any more, should its end not be told.
    Shared(Store, Duration),
}

/// Under which keys this request is counted, and under which name when others count it too.
#[derive(Default)]
struct Counted {
    keys: Vec<String>,
    member: String,
}

/// Why the limits were not all passed.
enum Stopped {
    /// There is no room.
    Full,
    /// A limit cannot be worked out.
    Unknown,
}

impl Compiled {
    /// The limits that apply to a request, with their keys.
    ///
    /// # Errors
    /// A limit applies that cannot be worked out, or none applies.
    fn applying(&self, context: &Context) -> Result<Vec<(String, Room)>, Stopped> {
        let mut applying = Vec::with_capacity(self.limits.len());
        for limit in &self.limits {
            if let Some(key) = limit.key(context) {
                let room = limit.room(context).ok_or(Stopped::Unknown)?;
                applying.push((key.into_owned(), room));
            }
        }
        if applying.is_empty() {
            return Err(Stopped::Unknown);
        }
        Ok(applying)
    }

    fn enter_local(&self, counts: &Table<Count>, context: &mut Context) -> Result<u64, Stopped> {
        let now = context.host.monotonic();
        let mut excess = 0_u64;
        for (key, room) in self.applying(context)? {
            let times = counts.update(&key, now, |count| count.enter(room));
            excess = excess.saturating_add(times.ok_or(Stopped::Full)?);
            // At once: the log phase comes also for a client that leaves while it waits.
            context.local_mut::<Counted>().keys.push(key);
        }
        Ok(excess)
    }

    async fn enter_shared(
        &self,
        store: &Store,
        life: Duration,
        context: &mut Context,
    ) -> Result<u64, Stopped> {
        let host = Arc::clone(&context.host);
        let member = format!("{:016x}{:016x}", host.random(), host.random());
        context.local_mut::<Counted>().member.clone_from(&member);
        let mut excess = 0_u64;
        for (value, room) in self.applying(context)? {
            let key = store.key(&value);
            // Before the call: its end may not be seen when the client leaves.
            context.local_mut::<Counted>().keys.push(key.clone());
            let active = shared::enter(store, &*host, key, &member, room, life).await;
            let active = active.map_err(|problem| {
                store.complain(&*host, &problem);
                Stopped::Unknown
            })?;
            let Some(times) = active.and_then(|active| count::excess(active, room)) else {
                context.local_mut::<Counted>().keys.pop();
                return Err(Stopped::Full);
            };
            excess = excess.saturating_add(times);
        }
        Ok(excess)
    }

    fn end(&self, entered: Result<u64, Stopped>) -> Step<'static> {
        let excess = match entered {
            Ok(excess) => excess,
            Err(Stopped::Full) => return Step::respond(self.refusal.clone()),
            Err(Stopped::Unknown) if self.allow_degradation => 0,
            Err(Stopped::Unknown) => {
                return Step::respond(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
            }
        };
        let delay = self.unit.times(excess);
        if delay < SHORTEST_DELAY {
            Step::Continue
        } else {
            Step::Delay(delay)
        }
    }

    fn leave(&self, key: String, member: &str, context: &Context) {
        match &self.counts {
            Counts::Local(counts) => counts.change_known(&key, Count::leave),
            Counts::Shared(store, _) => {
                let left = shared::leave(store, &*context.host, key, member);
                // Who cannot be told forgets by itself.
                context.host.outside().spawn(Box::pin(async move {
                    let _ = left.await;
                }));
            }
        }
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match &self.counts {
            Counts::Local(counts) => self.end(self.enter_local(counts, context)),
            Counts::Shared(store, life) => Step::Wait(Box::pin(async move {
                self.end(self.enter_shared(store, *life, context).await)
            })),
        }
    }

    fn log(&self, context: &mut Context) {
        let Counted { keys, member } = std::mem::take(context.local_mut::<Counted>());
        let record = &context.record;
        let took = if record.upstream_statuses.is_empty() {
            record.total
        } else {
            record.upstream
        };
        for key in keys {
            self.leave(key, &member, context);
            if self.learns {
                self.unit.learn(took);
            }
        }
    }
}
