#![doc = include_str!("README.md")]

mod bundled;
mod config;
mod group;
mod quota;
mod shared;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_in_redis;
mod window;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use weir_plugin_api::text::Decimal;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::redis::{Policy, Store};
use crate::refusal::status;
use crate::table::Table;
use bundled::Bundled;
use quota::{Quota, QuotaHeaders};
use window::{Verdict, Window, seconds_text};

pub use crate::amount::Amount;
pub use config::{Config, KeyType, Metadata, Rule, WindowType};
pub use group::check_group;

/// Said of a configuration that has one limit, and several.
const BOTH: &str = "count/time_window and rules cannot be specified at the same time";

/// Shortest time between two bundles, as in APISIX.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Definition of `limit-count`.
pub struct LimitCount;

impl PluginDef for LimitCount {
    const NAME: &'static str = "limit-count";
    const PRIORITY: i32 = 1002;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let interval = interval(&config)?;
        let metadata = match &context.metadata {
            Some(document) => read_metadata(document)?,
            None => Metadata::default(),
        };
        let quotas = quota::compile(&config, &metadata)?;
        let rejected_code = status("rejected_code", config.rejected_code)?;
        let group = config.group.as_deref();
        let state_key = match group {
            Some(group) => format!("{}\u{0}group\u{0}{group}", Self::NAME),
            None => context.state_key(Self::NAME),
        };
        Ok(Compiled {
            quotas,
            sliding: config.window_type == WindowType::Sliding,
            refusal: match &config.rejected_msg {
                Some(text) => Response::error_msg(rejected_code, text),
                None => Response::page(rejected_code),
            },
            allow_degradation: config.allow_degradation,
            show_headers: config.show_limit_quota_header,
            windows: match config.redis.server(config.policy)? {
                None => Windows::Local(Table::shared(&context.living, &state_key)),
                Some(server) => Windows::Shared(
                    Arc::new(Store::new(Self::NAME, server, context, group)),
                    interval.map(|interval| Bundled {
                        interval,
                        accounts: Table::shared(&context.living, &state_key),
                    }),
                ),
            },
        })
    }

    fn reword(config: &Value, message: &str) -> Option<&'static str> {
        let given = |field: &str| config.get(field).is_some();
        let twice = given("rules") && (given("count") || given("time_window"));
        (twice && message.starts_with("value should match only one schema")).then_some(BOTH)
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        QuotaHeaders::named(&read_metadata(metadata)?).map(drop)
    }
}

fn read_metadata(document: &Value) -> Result<Metadata, String> {
    Metadata::deserialize(document).map_err(|error| format!("plugin metadata: {error}"))
}

/// How often Redis is told; `None` is at every request.
fn interval(config: &Config) -> Result<Option<Duration>, String> {
    let seconds = config.sync_interval;
    if seconds == -1.0 {
        return Ok(None);
    }
    if config.policy == Policy::Local {
        return Err(format!(
            "sync_interval {seconds} needs a redis policy: with policy local use -1"
        ));
    }
    if config.window_type == WindowType::Sliding {
        return Err(format!(
            "sync_interval {seconds} needs window_type fixed: with sliding use -1"
        ));
    }
    let interval = Duration::try_from_secs_f64(seconds).ok();
    let interval = interval.filter(|interval| *interval >= SHORTEST_INTERVAL);
    let interval = interval
        .ok_or_else(|| format!("sync_interval should not be smaller than 0.1, got {seconds}"))?;
    let rules = config.rules.iter().flatten().map(|rule| &rule.time_window);
    for window in config.time_window.iter().chain(rules) {
        if let Amount::Number(window) = window
            && window.as_f64().is_some_and(|window| window <= seconds)
        {
            return Err(format!(
                "sync_interval should be smaller than time_window, got {seconds} and {window}"
            ));
        }
    }
    Ok(Some(interval))
}

/// `limit-count`, ready to run.
pub struct Compiled {
    quotas: Vec<Quota>,
    sliding: bool,
    refusal: Response,
    allow_degradation: bool,
    show_headers: bool,
    windows: Windows,
}

/// Where requests are counted.
enum Windows {
    Local(Arc<Table<Window>>),
    /// In Redis; told of in bundles, or at every request.
    Shared(Arc<Store>, Option<Bundled>),
}

/// What the client is told of one request, from the access phase to the header filter.
#[derive(Default)]
struct Told(Vec<Tell>);

/// What it is told of one quota.
struct Tell {
    quota: usize,
    count: u64,
    verdict: Verdict,
}

impl Compiled {
    /// Whether a limit applies whose numbers cannot be worked out. Nothing is counted then: who
    /// chooses them could choose to be held to none.
    fn is_unknown(&self, context: &Context) -> bool {
        let mut quotas = self.quotas.iter();
        quotas.any(|quota| quota.amounts(context).is_none() && quota.key(context).is_some())
    }

    fn access_local(&self, windows: &Table<Window>, context: &mut Context) -> Step<'static> {
        let now = context.host.monotonic();
        let mut progress = Progress::default();
        for (at, quota) in self.quotas.iter().enumerate() {
            let Some((count, length)) = quota.amounts(context) else {
                continue;
            };
            let Some(key) = quota.key(context) else {
                continue;
            };
            let verdict = windows.update(&key, now, |window| {
                if self.sliding {
                    window.sliding(now, count, length)
                } else {
                    window.fixed(now, count, length)
                }
            });
            if !progress.add(self, at, count, verdict) {
                break;
            }
        }
        progress.end(self, context)
    }

    async fn access_shared(
        &self,
        store: &Arc<Store>,
        bundled: Option<&Bundled>,
        context: &mut Context,
    ) -> Step<'static> {
        let host = Arc::clone(&context.host);
        let mut progress = Progress::default();
        for (at, quota) in self.quotas.iter().enumerate() {
            let Some((count, length)) = quota.amounts(context) else {
                continue;
            };
            let Some(key) = quota.key(context) else {
                continue;
            };
            let verdict = match bundled {
                Some(bundled) if length > bundled.interval => {
                    bundled.count(store, &host, &key, count, length).await
                }
                _ => shared::count(store, &*host, &key, self.sliding, count, length).await,
            };
            match verdict {
                Ok(verdict) => {
                    if !progress.add(self, at, count, verdict) {
                        break;
                    }
                }
                Err(problem) => {
                    store.complain(&*host, &problem);
                    if !self.allow_degradation {
                        let status = StatusCode::INTERNAL_SERVER_ERROR;
                        return Step::respond(Response::error_msg(status, "failed to limit count"));
                    }
                    progress.applied = true;
                }
            }
        }
        progress.end(self, context)
    }
}

/// What the quotas of a request said so far.
#[derive(Default)]
struct Progress {
    applied: bool,
    refused: bool,
    told: Vec<Tell>,
}

impl Progress {
    /// Notes what a quota says; `false` when it refuses.
    fn add(&mut self, plugin: &Compiled, quota: usize, count: u64, verdict: Verdict) -> bool {
        self.applied = true;
        self.refused = !verdict.allowed;
        if plugin.show_headers {
            self.told.reserve_exact(plugin.quotas.len() - quota);
            self.told.push(Tell {
                quota,
                count,
                verdict,
            });
        }
        verdict.allowed
    }

    fn end(self, plugin: &Compiled, context: &mut Context) -> Step<'static> {
        context.local_mut::<Told>().0 = self.told;
        if self.refused {
            return Step::respond(plugin.refusal.clone());
        }
        if !self.applied && !plugin.allow_degradation {
            return Step::respond(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
        }
        Step::Continue
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.is_unknown(context) {
            return Progress::default().end(self, context);
        }
        match &self.windows {
            Windows::Local(windows) => self.access_local(windows, context),
            Windows::Shared(store, bundled) => Step::Wait(Box::pin(self.access_shared(
                store,
                bundled.as_ref(),
                context,
            ))),
        }
    }

    fn header_filter(&self, context: &mut Context) {
        let told = std::mem::take(&mut context.local_mut::<Told>().0);
        let Some(response) = &mut context.response else {
            return;
        };
        response.headers.reserve(3 * told.len());
        for tell in told {
            let Some(Quota { headers, .. }) = self.quotas.get(tell.quota) else {
                continue;
            };
            let count = Decimal::new(tell.count);
            let remaining = Decimal::new(tell.verdict.remaining);
            let reset = seconds_text(tell.verdict.reset);
            let values = [
                (&headers.limit, count.as_str()),
                (&headers.remaining, remaining.as_str()),
                (&headers.reset, &reset),
            ];
            for (name, value) in values {
                if let Ok(value) = HeaderValue::from_str(value) {
                    response.headers.insert(name, value);
                }
            }
        }
    }
}
