#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use weir_plugin_api::outside::{HttpCall, Outside};
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Delivery, Entry, EntryOptions, Logger, Sender, logs};

pub use config::{Config, Endpoint};

/// Definition of `splunk-hec-logging`.
pub struct SplunkHecLogging;

impl PluginDef for SplunkHecLogging {
    const NAME: &'static str = "splunk-hec-logging";
    const PRIORITY: i32 = 409;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let Endpoint {
            uri,
            token,
            channel,
            timeout,
            ..
        } = &config.endpoint;
        let mut call = HttpCall::new(Method::POST, logging::url("endpoint.uri", uri, "")?);
        call.timeout = Duration::from_secs(*timeout);
        call.verify = config.ssl_verify;
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let secret = |name: &str, text: String| {
            let value = HeaderValue::try_from(text);
            let mut value =
                value.map_err(|_| format!("endpoint.{name} must be able to stand in a header"))?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        call.headers
            .insert(AUTHORIZATION, secret("token", format!("Splunk {token}"))?);
        if let Some(channel) = channel {
            let name = HeaderName::from_static("x-splunk-request-channel");
            call.headers
                .insert(name, secret("channel", channel.clone())?);
        }
        let entry = EntryOptions {
            log_format: config.log_format,
            log_format_extra: config.log_format_extra,
            ..EntryOptions::default()
        };
        let sender = Splunk { call };
        let logger = Logger::new(Self::NAME, &entry, &config.batch, context, sender)?;
        Ok(Compiled { logger })
    }
}

/// `splunk-hec-logging`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

struct Splunk {
    call: HttpCall,
}

impl Sender for Splunk {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Entry]) -> Delivery {
        let mut call = self.call.clone();
        call.body = Bytes::from(events(batch));
        logging::post(outside, call)
    }
}

/// Events, one after the other: the event collector takes no list.
fn events(batch: &[Entry]) -> String {
    let events = batch.iter().map(|entry| {
        let host = entry.fields.pointer("/server/hostname");
        let event = json!({
            "time": entry.at_ms as f64 / 1000.0,
            "host": host.and_then(Value::as_str).unwrap_or_default(),
            "source": "apache-apisix-splunk-hec-logging",
            "sourcetype": "_json",
            "event": entry.fields,
        });
        event.to_string()
    });
    events.collect()
}
