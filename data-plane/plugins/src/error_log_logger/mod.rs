#![doc = include_str!("README.md")]

mod config;
mod sink;
mod tap;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Key, Kind};
use weir_plugin_api::{CompileContext, Living, Outside, Phases, PluginDef};

use crate::logging::{BatchOptions, Batches, Metadata as Common, Rules};

use sink::Sink;
use tap::Taker;

pub use crate::unconfigured::{Compiled, Config};
pub use config::{Clickhouse, Level, Metadata, Skywalking, Tcp};
pub use tap::Tap;

/// Name of the plugin.
pub const NAME: &str = "error-log-logger";

/// Definition of `error-log-logger`.
pub struct ErrorLogLogger;

impl PluginDef for ErrorLogLogger {
    const NAME: &'static str = NAME;
    const PRIORITY: i32 = 1091;
    // It does nothing to requests.
    const PHASES: Phases = Phases::of(&[]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(_config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled)
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        let metadata = Metadata::deserialize(metadata).map_err(|error| error.to_string())?;
        Sink::new(&metadata, "").map(drop)
    }
}

/// Ships the lines of one agent as its metadata says.
#[derive(Default)]
pub struct Shipping {
    metadata: Option<Value>,
    taker: Option<Arc<Taker>>,
}

impl Shipping {
    /// Goes on as this metadata says; without any, nothing is shipped.
    pub fn follow(
        &mut self,
        metadata: Option<&Value>,
        outside: &Arc<dyn Outside>,
        living: &Living,
        hostname: &str,
    ) {
        if self.metadata.as_ref() == metadata {
            return;
        }
        self.metadata = metadata.cloned();
        self.taker = None;
        let Some(metadata) = metadata else {
            return;
        };
        match taker(metadata, outside, living, hostname) {
            Ok(taker) => self.taker = Some(taker.begin()),
            Err(reason) => {
                tracing::error!(plugin = NAME, "lines of the log are not shipped: {reason}");
            }
        }
    }
}

fn taker(
    stored: &Value,
    outside: &Arc<dyn Outside>,
    living: &Living,
    hostname: &str,
) -> Result<Taker, String> {
    let metadata = Metadata::deserialize(stored).map_err(|error| error.to_string())?;
    let owner = Key::new(Kind::PluginMetadata, NAME);
    let hash = digest::digest(&digest::SHA256, stored.to_string().as_bytes());
    let context = CompileContext {
        owner: Some(&owner),
        fingerprint: format!("{hash:?}"),
        living: living.clone(),
        outside: Arc::clone(outside),
        ..CompileContext::dry()
    };
    let options = BatchOptions {
        batch_max_size: metadata.batch_max_size.max(1),
        inactive_timeout: metadata.inactive_timeout,
        buffer_duration: metadata.buffer_duration,
        max_retry_count: metadata.max_retry_count,
        retry_delay: metadata.retry_delay,
    };
    let rules = Rules::new(&options, Common::default().max_pending_entries);
    let sink = Sink::new(&metadata, hostname)?;
    Ok(Taker {
        level: match metadata.level {
            Level::Stderr
            | Level::Emerg
            | Level::Alert
            | Level::Crit
            | Level::Err
            | Level::Error => 1,
            Level::Warn => 2,
            Level::Notice | Level::Info => 3,
            Level::Debug => 4,
        },
        batches: Batches::shared(NAME, &metadata.name, rules, &context, sink),
    })
}
