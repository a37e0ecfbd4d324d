//! Where lines go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use weir_plugin_api::outside::{HttpCall, Outside, SocketKind, SocketTarget};

use super::config::{Clickhouse, Metadata, Skywalking, Tcp};
use crate::kafka_logger::{self, Producer, cluster};
use crate::logging::{self, Delivery, Posts, Sender};

/// One of the four.
pub(super) enum Sink {
    Tcp(Arc<SocketTarget>),
    Http(Posts<String>),
    Kafka(Producer),
}

impl Sink {
    /// The one that the metadata names.
    ///
    /// # Errors
    /// What of it cannot be done.
    pub(super) fn new(metadata: &Metadata, hostname: &str) -> Result<Self, String> {
        if let Some(tcp) = &metadata.tcp {
            return Ok(Self::tcp(tcp.clone(), metadata));
        }
        if let Some(skywalking) = &metadata.skywalking {
            return Self::skywalking(skywalking, metadata, hostname);
        }
        if let Some(clickhouse) = &metadata.clickhouse {
            return Self::clickhouse(clickhouse, metadata);
        }
        if let Some(kafka) = &metadata.kafka {
            return Self::kafka(Value::Object(kafka.clone()), metadata);
        }
        match (&metadata.host, metadata.port) {
            (Some(host), Some(port)) => {
                let tcp = Tcp {
                    host: host.clone(),
                    port,
                    tls: false,
                    tls_server_name: None,
                };
                Ok(Self::tcp(tcp, metadata))
            }
            _ => Err("one of tcp, skywalking, clickhouse and kafka is required".into()),
        }
    }

    fn tcp(tcp: Tcp, metadata: &Metadata) -> Self {
        Self::Tcp(Arc::new(SocketTarget {
            kind: match tcp.tls {
                true => SocketKind::Tls { verify: false },
                false => SocketKind::Tcp,
            },
            host: tcp.host,
            port: tcp.port,
            server_name: tcp.tls_server_name,
            timeout: Duration::from_secs(metadata.timeout),
            keepalive: Duration::from_secs(metadata.keepalive),
            lane: 0,
        }))
    }

    fn skywalking(
        skywalking: &Skywalking,
        metadata: &Metadata,
        hostname: &str,
    ) -> Result<Self, String> {
        let place = &skywalking.endpoint_addr;
        let calls = calls(
            "skywalking.endpoint_addr",
            place,
            metadata,
            HeaderMap::new(),
        )?;
        let service = skywalking.service_name.clone();
        let instance = match skywalking.service_instance_name.as_str() {
            "$hostname" => hostname.to_owned(),
            name => name.to_owned(),
        };
        Ok(Self::Http(Posts::new(calls, move |lines: &[String]| {
            let entry = |line: &String| {
                json!({"body": {"text": {"text": line}}, "service": service, "serviceInstance": instance,
                    "endpoint": ""})
            };
            Value::from_iter(lines.iter().map(entry)).to_string()
        })))
    }

    fn clickhouse(clickhouse: &Clickhouse, metadata: &Metadata) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, text) in [
            ("x-clickhouse-user", &clickhouse.user),
            ("x-clickhouse-key", &clickhouse.password),
            ("x-clickhouse-database", &clickhouse.database),
        ] {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| format!("clickhouse: {name} must be able to stand in a header"))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let place = &clickhouse.endpoint_addr;
        let calls = calls("clickhouse.endpoint_addr", place, metadata, headers)?;
        let table = clickhouse.logtable.clone();
        Ok(Self::Http(Posts::new(calls, move |lines: &[String]| {
            let rows = lines.iter().map(|line| json!({"data": line}).to_string());
            let rows: Vec<_> = rows.collect();
            format!(
                "INSERT INTO {table} FORMAT JSONEachRow\n{}",
                rows.join("\n")
            )
        })))
    }

    fn kafka(kafka: Value, metadata: &Metadata) -> Result<Self, String> {
        let mut config: kafka_logger::Config =
            serde_json::from_value(kafka).map_err(|error| format!("kafka: {error}"))?;
        config.timeout = metadata.timeout;
        Ok(Self::Kafka(Producer {
            cluster: Arc::new(cluster(&config).map_err(|reason| format!("kafka: {reason}"))?),
            topic: config.kafka_topic,
            key: config.key.map(Bytes::from),
            is_single: false,
        }))
    }
}

fn calls(
    field: &str,
    place: &String,
    metadata: &Metadata,
    headers: HeaderMap,
) -> Result<Vec<HttpCall>, String> {
    logging::calls(field, std::slice::from_ref(place), "", |uri| {
        let mut call = HttpCall::new(Method::POST, uri);
        call.timeout = Duration::from_secs(metadata.timeout);
        call.headers = headers.clone();
        let kind = HeaderValue::from_static("application/json");
        call.headers.insert(CONTENT_TYPE, kind);
        call
    })
}

impl Sender<String> for Sink {
    fn send(&self, outside: &Arc<dyn Outside>, lines: &[String]) -> Delivery {
        match self {
            Self::Tcp(target) => {
                let sent = outside.send(target, Bytes::from(lines.join("\n") + "\n"));
                Box::pin(async move { Ok(sent.await.map_err(|error| error.to_string())?) })
            }
            Self::Http(posts) => posts.send(outside, lines),
            Self::Kafka(producer) => {
                let texts = lines
                    .iter()
                    .map(|line| Value::from(line.as_str()).to_string());
                producer.send(outside, &texts.collect::<Vec<_>>())
            }
        }
    }
}
