//! `limit-conn` on streams: how many of one key may be open at a time, on this agent.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use weir_plugin_api::{
    CompileContext, Host, KeySource, StreamContext, StreamPlugin, StreamPluginDef, StreamStep,
};

use super::SHORTEST_DELAY;
use super::count::{Count, Unit};
use super::limit::Room;
use crate::limit_req::KeyType;
use crate::table::Table;

/// What an operator writes on a stream route.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Config {
    /// Streams that pass at once, above 0.
    pub conn: u64,
    /// Streams above that, which wait.
    pub burst: u64,
    /// Seconds that a stream waits for each time that `conn` is exceeded, above 0.
    pub default_conn_delay: f64,
    /// Without effect, as in APISIX: the wait does not follow how long streams last.
    #[serde(default)]
    pub only_use_default_delay: bool,
    /// What is counted by.
    pub key: String,
    /// How `key` is read.
    #[serde(default)]
    pub key_type: KeyType,
}

/// Definition of `limit-conn` on streams.
pub struct LimitStreams;

impl StreamPluginDef for LimitStreams {
    const NAME: &'static str = "limit-conn";
    const PRIORITY: i32 = 1003;
    const SCHEMA: &'static str = include_str!("stream.schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let unit = Duration::try_from_secs_f64(config.default_conn_delay).map_err(|_| {
            let got = config.default_conn_delay;
            format!("default_conn_delay is too long, got {got:?}")
        })?;
        let state = format!("stream\u{0}{}", context.state_key(Self::NAME));
        Ok(Compiled {
            room: Room {
                conn: config.conn,
                burst: config.burst,
            },
            key: match config.key_type {
                KeyType::Var => KeySource::variable(&config.key),
                KeyType::VarCombination => KeySource::template(&config.key),
            },
            unit: Unit::new(unit),
            counts: Table::shared(&context.living, &state),
        })
    }
}

/// `limit-conn` on streams, ready to run.
pub struct Compiled {
    room: Room,
    key: KeySource,
    unit: Unit,
    counts: Arc<Table<Count>>,
}

/// The place of one stream; dropping it gives it back.
struct Place {
    counts: Arc<Table<Count>>,
    key: String,
    host: Arc<dyn Host>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.host.monotonic();
        self.counts.update(&self.key, now, |count| count.leave());
    }
}

impl StreamPlugin for Compiled {
    fn preread(&self, context: &mut StreamContext) -> StreamStep {
        let key = match self.key.resolve_by(context) {
            Some(key) => key.into_owned(),
            None => context.head.client_ip().to_string(),
        };
        let now = context.host.monotonic();
        let entered = self
            .counts
            .update(&key, now, |count| count.enter(self.room));
        let Some(excess) = entered else {
            return StreamStep::Refuse(StatusCode::SERVICE_UNAVAILABLE.as_u16());
        };
        context.hold(Place {
            counts: Arc::clone(&self.counts),
            key,
            host: Arc::clone(&context.host),
        });
        let delay = self.unit.times(excess);
        if delay < SHORTEST_DELAY {
            StreamStep::Continue
        } else {
            StreamStep::Delay(delay)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use weir_plugin_api::testkit::{self, FakeHost};

    use super::*;

    fn plugin(mut config: Value) -> Compiled {
        let schema: Value = serde_json::from_str(LimitStreams::SCHEMA).unwrap();
        weir_model::schema::check(&schema, &mut config).unwrap();
        let config = serde_json::from_value(config).unwrap();
        LimitStreams::compile(config, &CompileContext::dry()).unwrap()
    }

    fn open(plugin: &Compiled, client: &str) -> (StreamStep, StreamContext) {
        let head = testkit::stream(client, "127.0.0.1:9100");
        let mut context = StreamContext::new(head, FakeHost::shared());
        (plugin.preread(&mut context), context)
    }

    #[test]
    fn streams_of_one_key_have_so_many_places_until_they_end() {
        let plugin = plugin(json!({
            "conn": 1, "burst": 1, "default_conn_delay": 0.5, "key": "remote_addr"
        }));
        let (first, one) = open(&plugin, "10.0.0.1:1");
        let (second, two) = open(&plugin, "10.0.0.1:2");
        assert_eq!(first, StreamStep::Continue);
        assert_eq!(second, StreamStep::Delay(Duration::from_millis(500)));
        assert_eq!(open(&plugin, "10.0.0.1:3").0, StreamStep::Refuse(503));
        assert_eq!(open(&plugin, "10.0.0.2:1").0, StreamStep::Continue);
        drop((one, two));
        assert_eq!(open(&plugin, "10.0.0.1:4").0, StreamStep::Continue);
    }
}
