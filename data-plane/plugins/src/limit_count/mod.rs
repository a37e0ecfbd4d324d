#![doc = include_str!("README.md")]

mod config;
mod group;
mod quota;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::table::Table;
use quota::{Quota, QuotaHeaders};
use window::{Window, seconds_text};

pub use config::{Amount, Config, KeyType, Metadata, Policy, Rule, WindowType};
pub use group::check_group;

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
        refuse_unsupported(&config)?;
        let metadata = match &context.metadata {
            Some(document) => read_metadata(document)?,
            None => Metadata::default(),
        };
        let quotas = quota::compile(&config, &metadata)?;
        let state_key = match &config.group {
            Some(group) => format!("{}\u{0}group\u{0}{group}", Self::NAME),
            None => context.state_key(Self::NAME),
        };
        let rejected_code = StatusCode::from_u16(config.rejected_code).map_err(|_| {
            format!(
                "rejected_code must be a status, got {}",
                config.rejected_code
            )
        })?;
        Ok(Compiled {
            quotas,
            sliding: config.window_type == WindowType::Sliding,
            refusal: match &config.rejected_msg {
                Some(text) => Response::error_msg(rejected_code, text),
                None => Response::page(rejected_code),
            },
            allow_degradation: config.allow_degradation,
            show_headers: config.show_limit_quota_header,
            windows: Table::shared(&context.living, &state_key),
        })
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        QuotaHeaders::named(&read_metadata(metadata)?).map(drop)
    }
}

fn read_metadata(document: &Value) -> Result<Metadata, String> {
    Metadata::deserialize(document).map_err(|error| format!("plugin metadata: {error}"))
}

/// A setting that is accepted must work.
fn refuse_unsupported(config: &Config) -> Result<(), String> {
    if config.policy != Policy::Local {
        let policy = config.policy.name();
        return Err(format!("policy {policy} is not supported yet: use local"));
    }
    if config.sync_interval != -1.0 {
        let interval = config.sync_interval;
        return Err(format!(
            "sync_interval {interval} is not supported yet: it needs a redis policy, use -1"
        ));
    }
    Ok(())
}

/// `limit-count`, ready to run.
pub struct Compiled {
    quotas: Vec<Quota>,
    sliding: bool,
    refusal: Response,
    allow_degradation: bool,
    show_headers: bool,
    windows: Arc<Table<Window>>,
}

/// Quota headers of one request, from the access phase to the header filter.
#[derive(Default)]
struct Told(Vec<(HeaderName, HeaderValue)>);

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let now = context.host.monotonic();
        let mut applied = 0;
        let mut told = Vec::new();
        let mut refused = false;
        for quota in &self.quotas {
            let Some((count, length)) = quota.amounts(context) else {
                continue;
            };
            let Some(key) = quota.key(context) else {
                continue;
            };
            applied += 1;
            let verdict = self.windows.update(&key, now, |window| {
                if self.sliding {
                    window.sliding(now, count, length)
                } else {
                    window.fixed(now, count, length)
                }
            });
            if self.show_headers {
                let headers = &quota.headers;
                told.push((headers.limit.clone(), HeaderValue::from(count)));
                told.push((
                    headers.remaining.clone(),
                    HeaderValue::from(verdict.remaining),
                ));
                let reset = HeaderValue::from_str(&seconds_text(verdict.reset));
                told.extend(reset.ok().map(|reset| (headers.reset.clone(), reset)));
            }
            if !verdict.allowed {
                refused = true;
                break;
            }
        }
        context.local_mut::<Told>().0 = told;
        if refused {
            return Step::respond(self.refusal.clone());
        }
        if applied == 0 && !self.allow_degradation {
            return Step::respond(Response::page(StatusCode::INTERNAL_SERVER_ERROR));
        }
        Step::Continue
    }

    fn header_filter(&self, context: &mut Context) {
        let told = std::mem::take(&mut context.local_mut::<Told>().0);
        if let Some(response) = &mut context.response {
            for (name, value) in told {
                response.headers.insert(name, value);
            }
        }
    }
}
