#![doc = include_str!("README.md")]

mod config;
mod lines;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use weir_plugin_api::outside::{Outside, SocketKind, SocketTarget};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef};

use crate::logging::{Batches, Delivery, Rules, Sender, Undelivered};

use lines::Lines;

pub use config::{Config, Metadata};

/// Largest datagram: what fits into one packet of an Ethernet, as DogStatsD recommends.
const DATAGRAM: usize = 1432;

/// Definition of `datadog`.
pub struct Datadog;

impl PluginDef for Datadog {
    const NAME: &'static str = "datadog";
    const PRIORITY: i32 = 495;
    const PHASES: Phases = Phases::of(&[Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = match &context.metadata {
            Some(stored) => Metadata::deserialize(&**stored)
                .map_err(|error| format!("plugin metadata: {error}"))?,
            None => Metadata::default(),
        };
        let target = SocketTarget {
            kind: SocketKind::Udp,
            host: metadata.host.clone(),
            port: metadata.port,
            server_name: None,
            timeout: Duration::from_secs(3),
            keepalive: Duration::from_secs(60),
            lane: 0,
        };
        let rules = Rules::new(&config.batch, metadata.max_pending_entries);
        let datagrams = Datagrams(Arc::new(target));
        Ok(Compiled {
            lines: Lines::new(&config, &metadata),
            batches: Batches::shared(Self::NAME, &config.name, rules, context, datagrams),
        })
    }
}

/// `datadog`, ready to run.
pub struct Compiled {
    lines: Lines,
    batches: Arc<Batches<String>>,
}

impl Plugin for Compiled {
    fn log(&self, context: &mut Context) {
        self.batches.reached_at(context.request.local.ip());
        self.batches.push(self.lines.of(context));
    }
}

/// Sends lines in as few datagrams as they fit in.
struct Datagrams(Arc<SocketTarget>);

impl Sender<String> for Datagrams {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[String]) -> Delivery {
        let (target, outside) = (Arc::clone(&self.0), Arc::clone(outside));
        let datagrams = datagrams(batch);
        Box::pin(async move {
            let mut arrived = 0;
            for (datagram, complete) in datagrams {
                let sent = outside.send(&target, datagram).await;
                sent.map_err(|error| Undelivered {
                    reason: error.to_string(),
                    arrived,
                })?;
                arrived = complete;
            }
            Ok(())
        })
    }
}

/// Lines together, up to the size of a datagram, each datagram with how many entries are complete
/// with it. A longer line stands alone.
fn datagrams(batch: &[String]) -> Vec<(Bytes, usize)> {
    let mut datagrams = Vec::new();
    let mut open = String::new();
    for (complete, lines) in batch.iter().enumerate() {
        for line in lines.lines() {
            if !open.is_empty() && open.len() + 1 + line.len() > DATAGRAM {
                datagrams.push((Bytes::from(std::mem::take(&mut open)), complete));
            }
            if !open.is_empty() {
                open.push('\n');
            }
            open.push_str(line);
        }
    }
    if !open.is_empty() {
        datagrams.push((Bytes::from(open), batch.len()));
    }
    datagrams
}
