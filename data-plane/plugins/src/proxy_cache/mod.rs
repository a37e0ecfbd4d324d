#![doc = include_str!("README.md")]

mod config;
mod control;
mod entry;
mod fetch;
mod flights;
mod freshness;
mod key;
mod lookup;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http::header::{CACHE_CONTROL, EXPIRES};
use weir_plugin_api::outside::{CacheZone, CacheZones};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use freshness::Rules;
use key::{KeyMaker, Values};
use serve::Served;
use zone::Zone;

pub use config::{Config, Method, Parts, Strategy};

/// Definition of `proxy-cache`.
pub struct ProxyCache;

impl PluginDef for ProxyCache {
    const NAME: &'static str = "proxy-cache";
    const PRIORITY: i32 = 1085;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let keys = KeyMaker::new(&config.cache_key, config.consumer_isolation, context.owner)?;
        let zones = context.outside.cache_zones();
        let zone = zone(&config, zones)?;
        let header = HeaderName::try_from(config.cache_header.as_str()).map_err(|_| {
            format!(
                "cache_header must be a header name, got {:?}",
                config.cache_header
            )
        })?;
        let rules = Rules {
            statuses: config.cache_http_status.clone(),
            cache_control: config.cache_control,
            set_cookie: config.cache_set_cookie,
            by_answer: config.cache_strategy == Strategy::Disk,
            ttl: ttl(&config, zones)?,
        };
        Ok(Compiled {
            zone: Zone::shared(&context.living, &zone, &context.outside),
            keys,
            rules,
            header,
            bypass: config.cache_bypass.as_ref().map(Values::new),
            no_cache: config.no_cache.as_ref().map(Values::new),
            methods: config.cache_method,
            on_disk: config.cache_strategy == Strategy::Disk,
            hides: config.hide_cache_headers,
            max_body: config.max_resp_body_size,
        })
    }
}

/// The zone that a configuration names. Zones are the agents' own: a control node knows only those
/// that every agent has unless its file says otherwise, and takes other names on trust.
fn zone(config: &Config, zones: Option<&CacheZones>) -> Result<CacheZone, String> {
    let (name, strategy) = (&config.cache_zone, config.cache_strategy);
    let unfit = || {
        Err(format!(
            "invalid or empty cache_zone for cache_strategy: {}",
            strategy.as_str()
        ))
    };
    let Some(zones) = zones else {
        let usual = match name.as_str() {
            "disk_cache_one" | "disk_cache_two" => Some(Strategy::Disk),
            "memory_cache" => Some(Strategy::Memory),
            _ => None,
        };
        if usual.is_some_and(|usual| usual != strategy) {
            return unfit();
        }
        return Ok(CacheZone {
            name: name.clone(),
            memory: CacheZones::MEMORY,
            disk: None,
        });
    };
    let Some(zone) = zones.zones.iter().find(|zone| zone.name == *name) else {
        return Err(format!("cache_zone {name} not found"));
    };
    if zone.disk.is_some() != (strategy == Strategy::Disk) {
        return unfit();
    }
    Ok(zone.clone())
}

/// How long an answer lives that says nothing.
fn ttl(config: &Config, zones: Option<&CacheZones>) -> Result<Duration, String> {
    const USUAL: u64 = 300;
    let seconds = match (config.cache_ttl, config.cache_time) {
        (Some(ttl), Some(time)) if ttl != time => {
            return Err(format!(
                "cache_ttl and cache_time are the same setting, got {ttl} and {time}"
            ));
        }
        (_, Some(time)) => time,
        (ttl, None) if config.cache_strategy == Strategy::Memory => ttl.unwrap_or(USUAL),
        (_, None) => return Ok(zones.map_or(CacheZones::TTL, |zones| zones.ttl)),
    };
    Ok(Duration::from_secs(seconds))
}

/// `proxy-cache`, ready to run.
pub struct Compiled {
    zone: Arc<Zone>,
    keys: KeyMaker,
    rules: Rules,
    header: HeaderName,
    bypass: Option<Values>,
    no_cache: Option<Values>,
    methods: Vec<Method>,
    on_disk: bool,
    hides: bool,
    max_body: u64,
}

/// What the cache does, as clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Miss,
    Hit,
    Expired,
    Stale,
    Updating,
    Revalidated,
    Bypass,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Status::Miss => "MISS",
            Status::Hit => "HIT",
            Status::Expired => "EXPIRED",
            Status::Stale => "STALE",
            Status::Updating => "UPDATING",
            Status::Revalidated => "REVALIDATED",
            Status::Bypass => "BYPASS",
        }
    }
}

/// A request in the hands of the cache.
#[derive(Default)]
enum State {
    /// The cache has nothing to do with it.
    #[default]
    Idle,
    /// The client is told this, and no more happens.
    Told(Status),
    /// A change, after which the answer of this key is none any more.
    Changes(String),
    /// It was answered.
    Served(Served),
    /// A node is asked.
    Asked(Box<fetch::Fetch>),
    /// The body of the answer is collected.
    Collects(Box<fetch::Collection>),
    /// The body of a kept answer goes out in the place of another one.
    Replaces(Bytes),
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.enter(context)
    }

    fn header_filter(&self, context: &mut Context) {
        let state = std::mem::take(context.local_mut::<State>());
        let hides = self.hides && matches!(state, State::Served(_) | State::Asked(_));
        let (next, status) = match state {
            State::Idle | State::Collects(_) | State::Replaces(_) => return,
            State::Told(status) => (State::Told(status), Some(status)),
            State::Changes(key) => {
                self.changed(context, &key);
                (State::Idle, self.passed_over(&context.request.method))
            }
            State::Served(served) => {
                let status = served.status;
                served.finish_head(context);
                (State::Idle, Some(status))
            }
            State::Asked(fetch) => {
                let (next, status) = self.fetched(context, *fetch);
                (next, Some(status))
            }
        };
        *context.local_mut::<State>() = next;
        let (Some(status), Some(response)) = (status, &mut context.response) else {
            return;
        };
        let value = http::HeaderValue::from_static(status.as_str());
        response.headers.insert(&self.header, value);
        if hides {
            response.headers.remove(EXPIRES);
            response.headers.remove(CACHE_CONTROL);
        }
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        let goes_on = match context.local_mut::<State>() {
            State::Replaces(body) => {
                *chunk = if end {
                    std::mem::take(body)
                } else {
                    Bytes::new()
                };
                return;
            }
            State::Collects(collection) => {
                collection.add(chunk, self.max_body.min(self.zone.largest()))
            }
            _ => return,
        };
        if (end || !goes_on)
            && let State::Collects(collection) = std::mem::take(context.local_mut::<State>())
        {
            self.keep(*collection, &*context.host, goes_on);
        }
    }
}
