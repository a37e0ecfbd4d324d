#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Entry, EntryOptions, Logger, Posts, logs};

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
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let secret = |name: &str, text: String| {
            let value = HeaderValue::try_from(text);
            let mut value =
                value.map_err(|_| format!("endpoint.{name} must be able to stand in a header"))?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        headers.insert(AUTHORIZATION, secret("token", format!("Splunk {token}"))?);
        if let Some(channel) = channel {
            let name = HeaderName::from_static("x-splunk-request-channel");
            headers.insert(name, secret("channel", channel.clone())?);
        }
        let entry = EntryOptions {
            log_format: config.log_format,
            log_format_extra: config.log_format_extra,
            ..EntryOptions::default()
        };
        let calls = logging::calls("endpoint.uri", std::slice::from_ref(uri), "", |uri| {
            HttpCall {
                timeout: Duration::from_secs(*timeout),
                verify: config.ssl_verify,
                headers: headers.clone(),
                ..HttpCall::new(Method::POST, uri)
            }
        })?;
        let sender = Posts::new(calls, events);
        let logger = Logger::new(Self::NAME, &entry, &config.batch, context, sender)?;
        Ok(Compiled { logger })
    }
}

/// `splunk-hec-logging`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

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
