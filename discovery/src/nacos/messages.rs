//! What travels: an envelope of Protocol Buffers around JSON, for requests, answers and pushes.

use std::collections::HashMap;

use prost::Message;
use prost_types::Any;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::excerpt;
use crate::{Error, ErrorKind};

/// The envelope.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    #[prost(message, optional, tag = "2")]
    metadata: Option<Metadata>,
    #[prost(message, optional, tag = "3")]
    body: Option<Any>,
}

/// What the envelope says of its content.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    /// Name of the message in the body.
    #[prost(string, tag = "3")]
    kind: String,
    /// Credentials.
    #[prost(map = "string, string", tag = "7")]
    headers: HashMap<String, String>,
}

/// What every answer says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    #[serde(default)]
    result_code: i64,
    #[serde(default)]
    error_code: i64,
    #[serde(default)]
    message: Option<String>,
}

const SUCCESS: i64 = 200;
/// The connection is not known to the server (yet).
const UNREGISTERED: i64 = 301;

/// What the body of an answer holds.
pub(super) enum Reply<T> {
    /// What was asked for.
    Is(T),
    /// The server has not taken note of the connection yet.
    TooEarly,
}

impl Payload {
    pub(super) fn new(kind: &str, headers: HashMap<String, String>, body: &Value) -> Self {
        Self {
            metadata: Some(Metadata {
                kind: kind.to_owned(),
                headers,
            }),
            body: Some(Any {
                type_url: String::new(),
                value: body.to_string().into_bytes(),
            }),
        }
    }

    /// Name of the message in the body.
    pub(super) fn kind(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| &metadata.kind)
    }

    fn bytes(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |body| &body.value)
    }

    /// The message.
    pub(super) fn read<T: DeserializeOwned>(&self, server: &str) -> Result<T, Error> {
        serde_json::from_slice(self.bytes()).map_err(|error| {
            let what = format!(
                "{:?} cannot be read: {error}: {}",
                self.kind(),
                excerpt(self.bytes())
            );
            Error::at(server, ErrorKind::Malformed, what)
        })
    }

    /// The message of an answer, when it is not that of a failure.
    pub(super) fn reply<T: DeserializeOwned>(&self, server: &str) -> Result<Reply<T>, Error> {
        let outcome: Outcome = self.read(server)?;
        if outcome.result_code == SUCCESS {
            return self.read(server).map(Reply::Is);
        }
        if outcome.error_code == UNREGISTERED {
            return Ok(Reply::TooEarly);
        }
        let kind = match outcome.error_code {
            401 | 403 => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        };
        let said = outcome.message.unwrap_or_default();
        let code = outcome.error_code;
        let message = format!("answered code {code}: {}", excerpt(said.as_bytes()));
        Err(Error::at(server, kind, message))
    }
}

/// An answer of which only the success matters.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

/// The answer to a subscription, and a push.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Carrier {
    pub(super) service_info: ServiceInfo,
}

/// What a server asks or tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbered {
    #[serde(default)]
    pub(super) request_id: Option<String>,
}

/// A service with its instances.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceInfo {
    /// Name, in some answers `GROUP@@NAME`.
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) group_name: Option<String>,
    pub(super) hosts: Vec<Instance>,
    /// Milliseconds of the server's clock.
    #[serde(default)]
    pub(super) last_ref_time: i64,
    /// Who said it.
    #[serde(skip)]
    pub(super) server: String,
}

impl ServiceInfo {
    /// Group and name.
    pub(super) fn place(&self) -> (&str, &str) {
        let group = self.group_name.as_deref();
        match self.name.split_once("@@") {
            Some((first, name)) => (group.unwrap_or(first), name),
            None => (group.unwrap_or_default(), &self.name),
        }
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance {
    pub(super) ip: String,
    #[serde(default)]
    pub(super) port: i64,
    #[serde(default)]
    pub(super) weight: Option<f64>,
    #[serde(default = "yes")]
    pub(super) healthy: bool,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) cluster_name: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Map<String, Value>>,
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: &Value) -> Payload {
        let payload = Payload::new("SomeResponse", HashMap::new(), body);
        Payload::decode(payload.encode_to_vec().as_slice()).unwrap()
    }

    #[test]
    fn answers_are_told_from_failures() {
        let ok = answer(&json!({"resultCode": 200, "serviceInfo": {"hosts": []}}));
        assert_eq!(ok.kind(), "SomeResponse");
        assert!(matches!(ok.reply::<Carrier>("s"), Ok(Reply::Is(_))));
        let early = answer(&json!({"resultCode": 500, "errorCode": 301}));
        assert!(matches!(early.reply::<Carrier>("s"), Ok(Reply::TooEarly)));
        let fails = |body: Value| answer(&body).reply::<Carrier>("s").err().unwrap();
        let refused = fails(json!({"resultCode": 500, "errorCode": 403, "message": "no\nright"}));
        assert_eq!(refused.kind, ErrorKind::Refused);
        assert_eq!(refused.to_string(), "s: answered code 403: no right");
        let failed = fails(json!({"resultCode": 500, "errorCode": 500, "message": null}));
        assert_eq!(failed.kind, ErrorKind::Failed);
        assert_eq!(fails(json!({"resultCode": 200})).kind, ErrorKind::Malformed);
        assert_eq!(fails(json!("x")).kind, ErrorKind::Malformed);
    }

    #[test]
    fn services_are_named_with_or_without_their_group() {
        let place = |body: Value| {
            let info: ServiceInfo = serde_json::from_value(body).unwrap();
            let (group, name) = info.place();
            format!("{group}/{name}")
        };
        let plain = json!({"name": "web", "groupName": "G", "hosts": []});
        assert_eq!(place(plain), "G/web");
        let grouped = json!({"name": "G@@web", "groupName": "G", "hosts": []});
        assert_eq!(place(grouped), "G/web");
        assert_eq!(place(json!({"name": "G@@web", "hosts": []})), "G/web");
    }
}
