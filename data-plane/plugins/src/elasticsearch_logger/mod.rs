#![doc = include_str!("README.md")]

mod config;
mod index;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::json;
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Entry, Format, Logger, Posts, logs};

use index::Index;

pub use config::{Auth, Config, Field};

/// Definition of `elasticsearch-logger`.
pub struct ElasticsearchLogger;

impl PluginDef for ElasticsearchLogger {
    const NAME: &'static str = "elasticsearch-logger";
    const PRIORITY: i32 = 413;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let mut headers = logging::headers("headers", &config.headers)?;
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-ndjson"),
        );
        if let Some(Auth { username, password }) = &config.auth {
            let encoded = STANDARD.encode(format!("{username}:{password}"));
            let value = HeaderValue::try_from(format!("Basic {encoded}"));
            let mut value = value.map_err(|error| format!("auth: {error}"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let single = config.endpoint_addr.map(|place| vec![place]);
        let places = config.endpoint_addrs.or(single).unwrap_or_default();
        let calls = logging::calls("endpoint_addrs", &places, "/_bulk", |uri| HttpCall {
            timeout: Duration::from_secs(config.timeout),
            verify: config.ssl_verify,
            headers: headers.clone(),
            ..HttpCall::new(Method::POST, uri)
        })?;
        let index = Index::parse(&config.field.index)?;
        let tag = index.variables();
        let sender = Posts::new(calls, move |batch| bulk(&index, batch)).strict();
        let (entry, batch) = (&config.entry, &config.batch);
        let logger = Logger::new(Self::NAME, &config.name, entry, batch, context, sender)?;
        let tag = Format::compile("field.index", &tag)?;
        Ok(Compiled {
            logger: logger.tagged(tag),
        })
    }
}

/// `elasticsearch-logger`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

/// The body of the bulk API: a line that says where, and a line with the entry.
fn bulk(index: &Index, batch: &[Entry]) -> String {
    let mut text = String::new();
    for entry in batch {
        let place = json!({"create": {"_index": index.render(entry.at_ms, &entry.tag)}});
        text.push_str(&place.to_string());
        text.push('\n');
        text.push_str(&entry.fields.to_string());
        text.push('\n');
    }
    text
}
