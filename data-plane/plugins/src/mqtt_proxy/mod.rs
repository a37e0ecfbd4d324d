#![doc = include_str!("README.md")]

mod config;
mod connect;
#[cfg(test)]
mod tests;

use http::StatusCode;
use weir_plugin_api::{CompileContext, StreamContext, StreamPlugin, StreamPluginDef, StreamStep};

use connect::Fault;

pub use config::Config;

/// Bytes within which the identifier of the client must end.
const MOST: usize = 8 * 1024;

/// Definition of `mqtt-proxy`, which runs on streams only.
pub struct MqttProxy;

impl StreamPluginDef for MqttProxy {
    const NAME: &'static str = "mqtt-proxy";
    const PRIORITY: i32 = 1000;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let level = u8::try_from(config.protocol_level).map_err(|_| {
            let got = config.protocol_level;
            format!("protocol_level: expected 0 to 255, got {got}")
        })?;
        Ok(Compiled {
            name: config.protocol_name,
            level,
        })
    }
}

/// `mqtt-proxy`, ready to run.
pub struct Compiled {
    name: String,
    level: u8,
}

impl StreamPlugin for Compiled {
    fn preread(&self, context: &mut StreamContext) -> StreamStep {
        match connect::read(&context.front) {
            Ok(connect) => {
                if connect.protocol != self.name.as_bytes() || connect.level != self.level {
                    let name = String::from_utf8_lossy(connect.protocol);
                    tracing::info!(
                        client = %context.head.client,
                        "stream refused by mqtt-proxy: expected {} of level {}, got {name} of level {}",
                        self.name,
                        self.level,
                        connect.level,
                    );
                    return REFUSED;
                }
                let id = connect.client_id.to_owned();
                context.mqtt_client_id = id;
                StreamStep::Continue
            }
            Err(Fault::Incomplete) if context.front.len() < MOST => StreamStep::Read,
            Err(fault) => {
                let client = context.head.client;
                tracing::info!(%client, "stream refused by mqtt-proxy: {}", fault.as_str());
                REFUSED
            }
        }
    }
}

const REFUSED: StreamStep = StreamStep::Refuse(StatusCode::SERVICE_UNAVAILABLE.as_u16());
