//! Spans to a collector: OTLP over HTTP, or over gRPC.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use prost::Message;
use serde_json::Value;
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Outside};

use super::config::{Collector, Metadata};
use super::proto::{
    AnyKind, Export, Exported, KeyValue, Resource, ResourceSpans, Scope, ScopeSpans, Span,
};
use crate::header_edit::header_name;
use crate::logging::{Delivery, Sender};

/// Path of OTLP over HTTP.
const HTTP_PATH: &str = "/v1/traces";
/// Method of OTLP over gRPC.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Sends spans.
pub(super) struct Exporter {
    call: HttpCall,
    is_grpc: bool,
    resource: Vec<KeyValue>,
    /// Name of this host, known from the first request on.
    hostname: Arc<OnceLock<String>>,
}

impl Exporter {
    /// Compiles where to and what of the service is told.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(
        metadata: &Metadata,
        hostname: Arc<OnceLock<String>>,
    ) -> Result<Self, String> {
        let collector = &metadata.collector;
        let (uri, is_grpc) = place(&collector.address)?;
        let seconds = u64::try_from(collector.request_timeout)
            .ok()
            .filter(|seconds| *seconds > 0);
        let seconds = seconds.ok_or("collector.request_timeout: expected a number above 0")?;
        let mut call = HttpCall::new(Method::POST, uri);
        call.timeout = Duration::from_secs(seconds);
        call.http2 = is_grpc;
        call.headers = headers(collector)?;
        let kind = match is_grpc {
            true => "application/grpc",
            false => "application/x-protobuf",
        };
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if is_grpc {
            call.headers
                .insert(TE, HeaderValue::from_static("trailers"));
        }
        let given = metadata.resource.iter().flatten();
        let mut resource: Vec<_> = given
            .filter_map(|(name, value)| Some(KeyValue::new(name, scalar(value)?)))
            .collect();
        if !resource
            .iter()
            .any(|attribute| attribute.key == "service.name")
        {
            resource.push(KeyValue::text("service.name", "APISIX"));
        }
        Ok(Self {
            call,
            is_grpc,
            resource,
            hostname,
        })
    }

    /// The message for these spans.
    pub(super) fn message(&self, spans: &[Span]) -> Export {
        let hostname = self.hostname.get();
        let hostname = hostname.map(|name| KeyValue::text("hostname", name));
        let attributes = hostname.into_iter().chain(self.resource.iter().cloned());
        Export {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: attributes.collect(),
                }),
                scope_spans: vec![ScopeSpans {
                    scope: Some(Scope {
                        name: "weir".into(),
                        version: env!("CARGO_PKG_VERSION").into(),
                    }),
                    spans: spans.to_vec(),
                }],
            }],
        }
    }
}

impl Sender<Span> for Exporter {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Span]) -> Delivery {
        let message = self.message(batch);
        let mut call = self.call.clone();
        call.body = match self.is_grpc {
            true => framed(&message),
            false => Bytes::from(message.encode_to_vec()),
        };
        let is_grpc = self.is_grpc;
        let answer = outside.http(call);
        Box::pin(async move {
            let answer = answer.await.map_err(|error| error.to_string())?;
            let exported = match is_grpc {
                true => grpc(&answer)?,
                false => plain(&answer)?,
            };
            if let Some(partial) = Exported::decode(exported)
                .unwrap_or_default()
                .partial_success
                .filter(|partial| partial.rejected_spans > 0)
            {
                tracing::warn!(
                    plugin = "opentelemetry",
                    spans = partial.rejected_spans,
                    "the collector rejected spans: {}",
                    partial.error_message
                );
            }
            Ok(())
        })
    }
}

/// `HOST:PORT` and `http` are HTTP, `https` over TLS; `grpc` and `grpcs` are the same over gRPC.
fn place(address: &str) -> Result<(Uri, bool), String> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let (scheme, is_grpc) = match scheme {
        "grpc" => ("http", true),
        "grpcs" => ("https", true),
        scheme => (scheme, false),
    };
    let rest = rest.trim_end_matches('/');
    let path = match (is_grpc, rest.contains('/')) {
        (true, _) => GRPC_PATH,
        // The path is written out.
        (false, true) => "",
        (false, false) => HTTP_PATH,
    };
    let uri = format!("{scheme}://{rest}{path}").parse::<Uri>().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let uri = uri.ok_or_else(|| {
        format!(
            "collector.address: expected HOST:PORT, or a URL that begins with http, https, grpc or grpcs, \
             got {address:?}"
        )
    })?;
    Ok((uri, is_grpc))
}

fn headers(collector: &Collector) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in collector.request_headers.iter().flatten() {
        let place = "collector.request_headers";
        let name: HeaderName = header_name(place, name)?;
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| format!("{place}.{name} must be able to stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn scalar(value: &Value) -> Option<AnyKind> {
    match value {
        Value::String(text) => Some(AnyKind::Text(text.clone())),
        Value::Bool(truth) => Some(AnyKind::Bool(*truth)),
        Value::Number(number) => number.as_f64().map(AnyKind::Double),
        _ => None,
    }
}

/// A message of gRPC: not compressed, its length, itself.
fn framed(message: &Export) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(length + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.freeze()
}

fn plain(answer: &HttpAnswer) -> Result<Bytes, String> {
    if answer.status.is_success() {
        return Ok(answer.body.clone());
    }
    let said = answer.body.get(..200).unwrap_or(&answer.body);
    let said = String::from_utf8_lossy(said);
    Err(format!(
        "the collector answered with {}: {said}",
        answer.status
    ))
}

fn grpc(answer: &HttpAnswer) -> Result<Bytes, String> {
    let field = |name: &str| {
        let value = answer
            .trailers
            .get(name)
            .or_else(|| answer.headers.get(name));
        value.and_then(|value| value.to_str().ok())
    };
    match (answer.status.is_success(), field("grpc-status")) {
        (true, Some("0")) => Ok(answer.body.slice(answer.body.len().min(5)..)),
        (true, Some(status)) => {
            let said = field("grpc-message").unwrap_or_default();
            Err(format!(
                "the collector answered with gRPC status {status}: {said}"
            ))
        }
        (true, None) => Err("the collector answered without a gRPC status".into()),
        (false, _) => Err(format!("the collector answered with {}", answer.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_the_protocol() {
        let of = |address: &str| place(address).map(|(uri, grpc)| (uri.to_string(), grpc));
        for (address, uri, is_grpc) in [
            ("127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces", false),
            ("https://a.test", "https://a.test/v1/traces", false),
            (
                "http://a.test/otlp/v1/traces",
                "http://a.test/otlp/v1/traces",
                false,
            ),
            (
                "grpc://a.test:4317",
                "http://a.test:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                true,
            ),
        ] {
            assert_eq!(of(address), Ok((uri.to_owned(), is_grpc)));
        }
        for address in ["", "ftp://a", "a b"] {
            assert!(of(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_grpc_answer_is_good_by_its_status_only() {
        let answer = |status: &'static str, body: &'static [u8]| HttpAnswer {
            status: http::StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
            trailers: HeaderMap::from_iter([(
                HeaderName::from_static("grpc-status"),
                HeaderValue::from_static(status),
            )]),
        };
        assert_eq!(grpc(&answer("0", b"\0\0\0\0\x01x")).unwrap(), "x");
        assert_eq!(grpc(&answer("0", b"")).unwrap(), "");
        assert!(grpc(&answer("14", b"")).unwrap_err().contains("status 14"));
    }
}
