//! The method that a route stands for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value, json};
use weir_plugin_api::{CompileContext, Living};

use super::config::Config;
use super::decode::Options;
use super::encode;
use crate::proto;

/// A definition, and the text that it was made of.
struct Definition {
    content: String,
    pool: DescriptorPool,
}

/// A unary method.
pub(super) struct Method {
    input: MessageDescriptor,
    output: MessageDescriptor,
    details: Details,
    options: Options,
    /// Keeps the definition, for whoever is compiled next with the same one.
    _definition: Arc<Definition>,
}

/// What becomes of the details of a failure.
enum Details {
    /// They are told as bytes.
    Raw,
    /// They are messages of this type.
    Typed(MessageDescriptor),
    /// They should be, and the definition does not have the type.
    Unknown,
}

/// Why there is no method.
pub(super) enum Missing {
    /// There is no such proto object, service or method. The object may come later, or change.
    NotThere(String),
    /// It cannot be called from here.
    Unsupported(String),
}

impl From<String> for Missing {
    fn from(reason: String) -> Self {
        Self::NotThere(reason)
    }
}

impl Method {
    /// # Errors
    /// There is no such proto object, service or method, or it is one of streams.
    pub(super) fn find(config: &Config, context: &CompileContext<'_>) -> Result<Self, Missing> {
        let id = match &config.proto_id {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let content = context.protos.and_then(|protos| protos.content(&id));
        let content = content.ok_or_else(|| format!("proto_id: there is no proto {id}"))?;
        let definition = definition(&id, content, &context.living)?;
        Self::of(config, definition)
    }

    fn of(config: &Config, definition: Arc<Definition>) -> Result<Self, Missing> {
        let Config {
            service, method, ..
        } = config;
        let pool = &definition.pool;
        let found = pool.get_service_by_name(service);
        let found = found.and_then(|found| found.methods().find(|known| known.name() == method));
        let found = found.ok_or_else(|| format!("Undefined service method: {service}/{method}"))?;
        if found.is_client_streaming() || found.is_server_streaming() {
            return Err(Missing::Unsupported(format!(
                "{service}/{method} takes or gives a stream, which is not supported"
            )));
        }
        let details = match config.status_detail_type.as_deref() {
            None => Details::Raw,
            Some(name) => match pool.get_message_by_name(name.trim_start_matches('.')) {
                Some(kind) => Details::Typed(kind),
                None => {
                    tracing::warn!(name, "grpc-transcode: status_detail_type is no message");
                    Details::Unknown
                }
            },
        };
        Ok(Self {
            input: found.input(),
            output: found.output(),
            details,
            options: Options::of(&config.pb_option),
            _definition: Arc::clone(&definition),
        })
    }

    /// The body of a call: one message in its frame.
    ///
    /// # Errors
    /// A field does not fit its type.
    pub(super) fn encode(&self, fields: &Map<String, Value>) -> Result<Bytes, String> {
        let message = encode::message(&self.input, fields, 0)?;
        let length = message.encoded_len();
        let told = u32::try_from(length).map_err(|_| "the message is too large".to_owned())?;
        let mut frame = BytesMut::with_capacity(length + 5);
        frame.put_u8(0);
        frame.put_u32(told);
        message
            .encode(&mut frame)
            .map_err(|error| error.to_string())?;
        Ok(frame.freeze())
    }

    /// The JSON of an answer's body.
    ///
    /// # Errors
    /// It holds no message of the method's type.
    pub(super) fn decode(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let (head, rest) = body
            .split_first_chunk::<5>()
            .ok_or("the answer holds no message")?;
        let [compressed, length @ ..] = head;
        if *compressed != 0 {
            return Err("the message is compressed".to_owned());
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let message = rest.get(..length).ok_or("the message is cut off")?;
        let message = DynamicMessage::decode(self.output.clone(), message);
        let message = message.map_err(|error| error.to_string())?;
        let json = self.options.message(&message);
        serde_json::to_vec(&json).map_err(|error| error.to_string())
    }

    /// The JSON of `grpc-status-details-bin`.
    ///
    /// # Errors
    /// What clients are told when it holds none.
    pub(super) fn failure(&self, status: &[u8]) -> Result<Vec<u8>, &'static str> {
        let status = Status::decode(status)
            .map_err(|_| "failed to call pb.decode to decode grpc-status-details-bin")?;
        let details = status.details.iter().map(|detail| match &self.details {
            Details::Raw => Some(json!({
                "type_url": detail.type_url,
                "value": String::from_utf8_lossy(&detail.value),
            })),
            Details::Typed(kind) => {
                let message = DynamicMessage::decode(kind.clone(), detail.value.as_slice());
                Some(self.options.message(&message.ok()?))
            }
            Details::Unknown => None,
        });
        let details: Option<Vec<Value>> = details.collect();
        let details = details
            .ok_or("failed to call pb.decode to decode details in grpc-status-details-bin")?;
        let mut error = Map::new();
        error.insert("code".into(), status.code.into());
        error.insert("message".into(), status.message.into());
        error.insert("details".into(), details.into());
        serde_json::to_vec(&json!({ "error": error }))
            .map_err(|_| "failed to json_encode response body")
    }
}

/// The definition, compiled once for all that name it.
fn definition(id: &str, content: String, living: &Living) -> Result<Arc<Definition>, String> {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let key = format!("grpc-transcode\u{0}{id}\u{0}{:x}", hasher.finish());
    let known = living.get::<Definition>(&key);
    if let Some(known) = known.filter(|known| known.content == content) {
        return Ok(known);
    }
    let pool = proto::compile(&content).map_err(|reason| format!("proto {id}: {reason}"))?;
    let made = Arc::new(Definition { content, pool });
    let kept = living.get_or_init(&key, || Definition {
        content: made.content.clone(),
        pool: made.pool.clone(),
    });
    // Two texts of one hash do not share.
    Ok(if kept.content == made.content {
        kept
    } else {
        made
    })
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}
