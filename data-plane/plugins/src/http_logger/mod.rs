#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Uri};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Entry, Logger, Posts, logs};

pub use crate::logging::Metadata;
pub use config::{Config, Join};

/// Definition of `http-logger`.
pub struct HttpLogger;

impl PluginDef for HttpLogger {
    const NAME: &'static str = "http-logger";
    const PRIORITY: i32 = 410;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let uri = config.uri.parse::<Uri>();
        let mut call = HttpCall::new(
            Method::POST,
            uri.map_err(|error| format!("uri: expected a URL, got {:?}: {error}", config.uri))?,
        );
        call.timeout = Duration::from_secs(config.timeout);
        call.verify = config.ssl_verify;
        let content = match config.concat_method {
            Join::Json => "application/json",
            Join::NewLine => "text/plain",
        };
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content));
        if let Some(text) = &config.auth_header {
            let value = HeaderValue::from_str(text)
                .map_err(|_| "auth_header must be able to stand in a header".to_owned())?;
            call.headers.insert(AUTHORIZATION, value);
        }
        let (join, single) = (config.concat_method, config.batch.batch_max_size == 1);
        let sender = Posts::new(vec![call], move |batch| text(join, single, batch));
        let (entry, batch) = (&config.entry, &config.batch);
        let logger = Logger::new(Self::NAME, &config.name, entry, batch, context, sender)?;
        Ok(Compiled { logger })
    }
}

/// `http-logger`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

/// A batch as it is sent; with `single` a batch has one entry only, which is then no list.
fn text(join: Join, single: bool, batch: &[Entry]) -> String {
    match (join, batch) {
        (Join::Json, [entry]) if single => entry.fields.to_string(),
        (Join::Json, batch) => logging::list(batch).to_string(),
        (Join::NewLine, batch) => {
            let lines: Vec<String> = batch.iter().map(|entry| entry.fields.to_string()).collect();
            lines.join("\n")
        }
    }
}
