#![doc = include_str!("README.md")]

mod config;
mod lanes;
pub mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_plugin_api::outside::{SocketKind, SocketTarget};
use weir_plugin_api::{CompileContext, Context, Phases, Plugin, PluginDef, Step};

use crate::logging::{self, Batches, Entries, Metadata, Rules, Sizes, rfc3339};

use lanes::Lanes;

pub use config::{Config, Server, SockType, StreamConfig};

/// Facility syslog (5), severity informational (6): RFC 5424 section 6.2.1.
const INFORMATIONAL: u8 = 5 * 8 + 6;

/// Its name, on requests and on streams.
const PLUGIN: &str = "syslog";
/// Its order.
const ORDER: i32 = 401;

/// Definition of `syslog` on requests.
pub struct Syslog;

impl PluginDef for Syslog {
    const NAME: &'static str = PLUGIN;
    const PRIORITY: i32 = ORDER;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = Metadata::of(context)?;
        Ok(Compiled {
            entries: Entries::compile(&config.entry, &metadata)?,
            batches: batches(config.server, &config.name, &metadata, context)?,
        })
    }
}

/// The processor of messages to this server.
fn batches(
    server: Server,
    name: &str,
    metadata: &Metadata,
    context: &CompileContext<'_>,
) -> Result<Arc<Batches<Bytes>>, String> {
    let kind = match (server.sock_type, server.tls) {
        (SockType::Tcp, false) => SocketKind::Tcp,
        (SockType::Tcp, true) => SocketKind::Tls { verify: false },
        (SockType::Udp, false) => SocketKind::Udp,
        (SockType::Udp, true) => return Err("tls: there is none over udp".into()),
    };
    let drop_limit = usize::try_from(server.drop_limit)
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or("drop_limit: expected a number above 0")?;
    let target = SocketTarget {
        kind,
        host: server.host,
        port: server.port,
        server_name: None,
        timeout: Duration::from_millis(server.timeout),
        keepalive: Duration::from_secs(60),
        lane: 0,
    };
    let mut rules = Rules::new(&server.batch, metadata.max_pending_entries);
    rules.sizes = Sizes {
        flush: server.flush_limit,
        drop: drop_limit,
    };
    let lanes = Lanes::new(target, server.pool_size);
    Ok(Batches::shared(PLUGIN, name, rules, context, lanes))
}

/// `syslog`, ready to run.
pub struct Compiled {
    entries: Entries,
    batches: Arc<Batches<Bytes>>,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.entries.look_at_request(context)
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, _end: bool) {
        self.entries.look_at_answer(context, chunk);
    }

    fn log(&self, context: &mut Context) {
        let entry = self.entries.make(context);
        let time = rfc3339(context.host.unix_ms());
        let message = message(&time, &context.request.host, &entry.fields.to_string());
        let size = message.len();
        self.batches.reached_at(context.request.local.ip());
        self.batches.push_sized(message, size);
    }
}

/// A message: RFC 5424 section 6, without structured data. JSON has no line feed in it, so that one
/// can end the message (RFC 6587 section 3.4.2).
fn message(time: &str, host: &str, text: &str) -> Bytes {
    let is_printable = |c: char| c.is_ascii_graphic();
    let host = match host {
        "" => "-",
        host if host.len() > 255 || !host.chars().all(is_printable) => "-",
        host => host,
    };
    let process = std::process::id();
    Bytes::from(format!(
        "<{INFORMATIONAL}>1 {time} {host} apisix {process} - - {text}\n"
    ))
}
