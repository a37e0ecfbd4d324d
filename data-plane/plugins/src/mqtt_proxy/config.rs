//! Configuration of `mqtt-proxy`.

use serde::Deserialize;

/// What an operator writes on a stream route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Name that clients must give the protocol.
    #[serde(default = "mqtt")]
    pub protocol_name: String,
    /// Level that they must speak: 4 is MQTT 3.1.1, 5 is MQTT 5.0.
    pub protocol_level: i64,
}

fn mqtt() -> String {
    "MQTT".into()
}
