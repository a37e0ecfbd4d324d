#![doc = include_str!("README.md")]

mod config;
mod producer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Context, Phases, Plugin, PluginDef, Step};

use crate::logging::{self, Batches, Entries, Metadata, Rules};

pub(crate) use producer::{Producer, cluster};

pub use config::{Broker, Config, Mechanism, MetaFormat, ProducerType, SaslConfig, Tls};

/// Definition of `kafka-logger`.
pub struct KafkaLogger;

impl PluginDef for KafkaLogger {
    const NAME: &'static str = "kafka-logger";
    const PRIORITY: i32 = 403;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = Metadata::of(context)?;
        let mut rules = Rules::new(&config.batch, metadata.max_pending_entries);
        if config.producer_type == ProducerType::Async {
            rules.limit = rules.limit.min(config.producer_max_buffering);
            if config.producer_batch_size > 0 {
                rules.sizes.flush = config.producer_batch_size;
            }
        }
        let is_single = config.batch.batch_max_size == 1;
        let producer = Producer {
            cluster: Arc::new(cluster(&config)?),
            topic: config.kafka_topic,
            key: config.key.map(Bytes::from),
            is_single,
        };
        Ok(Compiled {
            entries: Entries::compile(&config.entry, &metadata)?,
            is_original: config.meta_format == MetaFormat::Origin,
            is_single,
            batches: Batches::shared(Self::NAME, &config.name, rules, context, producer),
        })
    }
}

/// `kafka-logger`, ready to run.
pub struct Compiled {
    entries: Entries,
    /// Whether requests are logged as HTTP.
    is_original: bool,
    /// Whether a message is one entry, rather than a list.
    is_single: bool,
    batches: Arc<Batches<String>>,
}

impl Compiled {
    fn entry(&self, context: &mut Context) -> String {
        if !self.is_original {
            return self.entries.make(context).fields.to_string();
        }
        let text = self.entries.original(context);
        match self.is_single {
            true => text,
            false => Value::String(text).to_string(),
        }
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.entries.look_at_request(context)
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, _end: bool) {
        self.entries.look_at_answer(context, chunk);
    }

    fn log(&self, context: &mut Context) {
        let entry = self.entry(context);
        let size = entry.len();
        self.batches.reached_at(context.request.local.ip());
        self.batches.push_sized(entry, size);
    }
}
