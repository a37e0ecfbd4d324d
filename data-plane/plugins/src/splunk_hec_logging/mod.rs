#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Entry, EntryOptions, Format, Logger, Metadata, Posts, logs};

pub use config::{Config, Endpoint};

/// Where the name of the agent's host stands in the tag of an entry.
const HOST: &str = "host";

/// Fields of an event, and where they are in the default entry.
const EVENT: [(&str, &str); 10] = [
    ("request_url", "/request/url"),
    ("request_method", "/request/method"),
    ("request_headers", "/request/headers"),
    ("request_query", "/request/querystring"),
    ("request_size", "/request/size"),
    ("response_headers", "/response/headers"),
    ("response_status", "/response/status"),
    ("response_size", "/response/size"),
    ("latency", "/latency"),
    ("upstream", "/upstream"),
];

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
        let extra = Metadata::of(context)?.extra_names(entry.log_format_extra.as_ref());
        let sender = Posts::new(calls, move |batch| events(&extra, batch)).strict();
        let batch = &config.batch;
        let logger = Logger::new(Self::NAME, &config.name, &entry, batch, context, sender)?;
        let host = BTreeMap::from([(HOST.to_owned(), "$hostname".to_owned())]);
        Ok(Compiled {
            logger: logger.tagged(Format::of_texts(&host)),
        })
    }
}

/// `splunk-hec-logging`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

/// Events, one after the other: the event collector takes no list. `extra` are the fields that an
/// operator added to the default ones.
fn events(extra: &[String], batch: &[Entry]) -> String {
    let events = batch.iter().map(|entry| {
        let event = json!({
            "time": entry.at_ms as f64 / 1000.0,
            "host": entry.tag.get(HOST),
            "source": "apache-apisix-splunk-hec-logging",
            "sourcetype": "_json",
            "event": event(extra, entry),
        });
        event.to_string()
    });
    events.collect()
}

fn event(extra: &[String], entry: &Entry) -> Value {
    if entry.is_chosen {
        return entry.fields.clone();
    }
    let usual = EVENT.iter().filter_map(|(name, place)| {
        let value = entry.fields.pointer(place)?;
        Some(((*name).to_owned(), value.clone()))
    });
    let mut event: Map<String, Value> = usual.collect();
    for name in extra {
        if let Some(value) = entry.fields.get(name) {
            event.entry(name).or_insert_with(|| value.clone());
        }
    }
    Value::Object(event)
}
