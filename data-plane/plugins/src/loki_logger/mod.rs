#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use weir_plugin_api::outside::{HttpCall, Outside};
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Delivery, Entry, Logger, Sender, Servers, logs};

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
        let servers = config.endpoint_addrs.iter().map(|place| {
            let uri = logging::url("endpoint_addrs", place, &config.endpoint_uri)?;
            let mut call = HttpCall::new(Method::POST, uri);
            call.timeout = Duration::from_millis(config.timeout);
            call.verify = config.ssl_verify;
            call.keepalive = config.keepalive;
            call.headers.clone_from(&headers);
            Ok(call)
        });
        let sender = Loki {
            servers: Servers::new(servers.collect::<Result<_, String>>()?),
        };
        let logger = Logger::new(Self::NAME, &config.entry, &config.batch, context, sender)?;
        let labels = config.log_labels.into_iter();
        let labels = labels
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        let logger = logger.tagged("log_labels", &labels)?;
        Ok(Compiled { logger })
    }
}

/// `loki-logger`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

struct Loki {
    servers: Servers<HttpCall>,
}

impl Sender for Loki {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Entry]) -> Delivery {
        let Some(call) = self.servers.next() else {
            return logging::nowhere();
        };
        let mut call = call.clone();
        call.body = Bytes::from(push(batch).to_string());
        logging::post(outside, call)
    }
}

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
