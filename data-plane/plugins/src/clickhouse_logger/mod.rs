#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Entry, Logger, Posts, logs};

pub use config::Config;

/// Definition of `clickhouse-logger`.
pub struct ClickhouseLogger;

impl PluginDef for ClickhouseLogger {
    const NAME: &'static str = "clickhouse-logger";
    const PRIORITY: i32 = 398;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let mut headers = http::HeaderMap::new();
        let fields = [
            ("content-type", "application/json"),
            ("x-clickhouse-user", &config.user),
            ("x-clickhouse-key", &config.password),
            ("x-clickhouse-database", &config.database),
        ];
        for (name, text) in fields {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| format!("{name} must be able to stand in a header"))?;
            value.set_sensitive(name.ends_with("key"));
            headers.insert(HeaderName::from_static(name), value);
        }
        let single = config.endpoint_addr.map(|place| vec![place]);
        let places = config.endpoint_addrs.or(single).unwrap_or_default();
        let calls = logging::calls("endpoint_addrs", &places, "", |uri| HttpCall {
            timeout: Duration::from_secs(config.timeout),
            verify: config.ssl_verify,
            headers: headers.clone(),
            ..HttpCall::new(Method::POST, uri)
        })?;
        let table = config.logtable;
        let sender = Posts::new(calls, move |batch| insert(&table, batch));
        let (entry, batch) = (&config.entry, &config.batch);
        let logger = Logger::new(Self::NAME, &config.name, entry, batch, context, sender)?;
        Ok(Compiled { logger })
    }
}

/// `clickhouse-logger`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

/// The statement with its rows.
fn insert(table: &str, batch: &[Entry]) -> String {
    format!(
        "INSERT INTO {table} FORMAT JSONEachRow\n{}",
        logging::lines(batch)
    )
}
