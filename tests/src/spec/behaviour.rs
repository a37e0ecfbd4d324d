//! What a back end does with a request.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::body::Text;
use super::tls::ServerTls;

/// How a back end misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// Nobody listens at its address.
    Refuses,
    /// Its queue of connections is full: a connection is never made.
    Deaf,
    /// Makes a connection and reads nothing of it.
    Stuck,
    /// Closes a connection as soon as it is made.
    Drops,
    /// Reads the head of a request, then closes the connection.
    Closes,
    /// Reads a request and never answers.
    Hangs,
}

/// A back end. Without any field it answers 200 with JSON that says what it was asked: `node`,
/// `method`, `uri`, `headers`, `body`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Fails in this way.
    pub fault: Option<Fault>,
    /// Status of its answers.
    pub status: Option<u16>,
    /// Fields of its answers.
    pub headers: BTreeMap<String, String>,
    /// Body of its answers.
    pub body: Option<Text>,
    /// Fields behind the body of its answers.
    pub trailers: HashMap<String, String>,
    /// Seconds before it answers.
    pub delay: f64,
    /// Bytes that it sends, as they are, when the head of a request has come; then it closes.
    pub says: Option<String>,
    /// What it does with its first requests, one each, before the rest of this applies.
    pub first: Vec<Behaviour>,
    /// What it does with requests to these paths.
    pub paths: BTreeMap<String, Behaviour>,
    /// Listens at this address instead of that of the case's nodes.
    pub ip: Option<Ipv4Addr>,
    /// Listens on this port.
    pub port: Option<u16>,
    /// Speaks TLS.
    pub tls: Option<ServerTls>,
    /// A PROXY protocol header comes first on its connections.
    pub proxy_protocol: bool,
}

impl Behaviour {
    /// Reads the written form: nothing, the name of a fault, or a mapping.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(mut value: Value) -> Result<Self, String> {
        expand(&mut value);
        let behaviour: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(behaviour)
    }

    /// Whether a connection is treated in another way before its first request.
    pub(crate) fn opens_otherwise(&self, other: &Self) -> bool {
        let early = |behaviour: &Self| {
            let faults = [Fault::Refuses, Fault::Deaf, Fault::Stuck, Fault::Drops];
            behaviour.says.is_some() || behaviour.fault.is_some_and(|fault| faults.contains(&fault))
        };
        early(self) || early(other) || self.tls != other.tls
    }

    /// [`Self::delay`].
    #[must_use]
    pub fn pause(&self) -> Duration {
        Duration::from_secs_f64(self.delay.max(0.0))
    }
}

/// `closes` stands for `{fault: closes}`, nothing for `{}`.
fn expand(value: &mut Value) {
    match value {
        Value::Null => *value = serde_json::json!({}),
        Value::String(fault) if fault == "echo" => *value = serde_json::json!({}),
        Value::String(fault) => *value = serde_json::json!({"fault": fault}),
        Value::Object(fields) => {
            if let Some(Value::Array(first)) = fields.get_mut("first") {
                first.iter_mut().for_each(expand);
            }
            if let Some(Value::Object(paths)) = fields.get_mut("paths") {
                paths.values_mut().for_each(expand);
            }
        }
        _ => {}
    }
}
