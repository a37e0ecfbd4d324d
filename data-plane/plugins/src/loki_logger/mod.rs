#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Entry, Format, Logger, Posts, logs};

pub use config::Config;

/// Definition of `loki-logger`.
pub struct LokiLogger;

impl PluginDef for LokiLogger {
    const NAME: &'static str = "loki-logger";
    const PRIORITY: i32 = 414;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let mut headers = logging::headers("headers", &config.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let tenant = HeaderValue::from_str(&config.tenant_id)
            .map_err(|_| "tenant_id must be able to stand in a header".to_owned())?;
        headers.insert(HeaderName::from_static("x-scope-orgid"), tenant);
        let path = &config.endpoint_uri;
        let calls = logging::calls("endpoint_addrs", &config.endpoint_addrs, path, |uri| {
            HttpCall {
                timeout: Duration::from_millis(config.timeout),
                verify: config.ssl_verify,
                keepalive: config.keepalive,
                headers: headers.clone(),
                ..HttpCall::new(Method::POST, uri)
            }
        })?;
        let sender = Posts::new(calls, |batch| push(batch).to_string()).strict();
        let (entry, batch) = (&config.entry, &config.batch);
        let logger = Logger::new(Self::NAME, &config.name, entry, batch, context, sender)?;
        let labels = Format::of_texts(&config.log_labels);
        Ok(Compiled {
            logger: logger.tagged(labels),
        })
    }
}

/// `loki-logger`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

/// The body of a push: a stream for each set of labels, times in nanoseconds.
fn push(batch: &[Entry]) -> Value {
    let mut streams: Vec<(&Map<String, Value>, Vec<Value>)> = Vec::new();
    for entry in batch {
        let line = json!([format!("{}000000", entry.at_ms), entry.fields.to_string()]);
        match streams.iter_mut().find(|(labels, _)| **labels == entry.tag) {
            Some((_, lines)) => lines.push(line),
            None => streams.push((&entry.tag, vec![line])),
        }
    }
    let streams = streams.into_iter();
    let streams = streams.map(|(labels, lines)| json!({"stream": labels, "values": lines}));
    json!({"streams": streams.collect::<Vec<_>>()})
}
