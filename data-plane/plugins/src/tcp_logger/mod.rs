#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use weir_plugin_api::outside::{SocketKind, SocketTarget};
use weir_plugin_api::{CompileContext, Phases, PluginDef};

use crate::logging::{self, Logger, Socket, logs};

pub use config::Config;

/// Definition of `tcp-logger`.
pub struct TcpLogger;

impl PluginDef for TcpLogger {
    const NAME: &'static str = "tcp-logger";
    const PRIORITY: i32 = 405;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let sender = Socket::new(SocketTarget {
            kind: match config.tls {
                true => SocketKind::Tls { verify: false },
                false => SocketKind::Tcp,
            },
            host: config.host,
            port: config.port,
            server_name: config.tls_options,
            timeout: Duration::from_millis(config.timeout),
            keepalive: Duration::ZERO,
            lane: 0,
        });
        let (entry, batch) = (&config.entry, &config.batch);
        let logger = Logger::new(Self::NAME, &config.name, entry, batch, context, sender)?;
        Ok(Compiled { logger })
    }
}

/// `tcp-logger`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);
