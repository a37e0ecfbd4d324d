//! `syslog` on streams: a message for each connection and UDP session that is over.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_plugin_api::{CompileContext, StreamContext, StreamPlugin, StreamPluginDef};

use super::{ORDER, PLUGIN, StreamConfig, batches, message};
use crate::logging::{Batches, Format, Metadata, rfc3339};

/// Definition of `syslog` on streams.
pub struct LogStreams;

impl StreamPluginDef for LogStreams {
    const NAME: &'static str = PLUGIN;
    const PRIORITY: i32 = ORDER;
    const SCHEMA: &'static str = include_str!("stream.schema.json");

    type Config = StreamConfig;
    type Compiled = Compiled;

    fn compile(config: StreamConfig, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = Metadata::of(context)?;
        let format = config.log_format.as_ref().or(metadata.log_format.as_ref());
        let format = format.map(|fields| Format::compile("log_format", fields));
        let extra = metadata.log_format_extra.as_ref();
        let extra = extra.map(|fields| Format::compile("log_format_extra", fields));
        Ok(Compiled {
            format: format.transpose()?,
            extra: extra.transpose()?,
            batches: batches(config.server, &config.name, &metadata, context)?,
        })
    }
}

/// `syslog` on streams, ready to run.
pub struct Compiled {
    format: Option<Format>,
    extra: Option<Format>,
    batches: Arc<Batches<Bytes>>,
}

impl StreamPlugin for Compiled {
    fn log(&self, context: &StreamContext) {
        let entry = Value::Object(self.entry(context)).to_string();
        let time = rfc3339(context.host.unix_ms());
        let host = context.head.server_name.as_deref().unwrap_or_default();
        let message = message(&time, host, &entry);
        let size = message.len();
        self.batches
            .reached_at(context.head.local.ip().to_canonical());
        self.batches.push_sized(message, size);
    }
}

impl Compiled {
    fn entry(&self, context: &StreamContext) -> Map<String, Value> {
        let mut entry = Map::new();
        match &self.format {
            Some(format) => format.write(context, &mut entry),
            None => usual(context, &mut entry),
        }
        if let Some(route) = &context.route {
            entry.insert("route_id".into(), Value::from(&*route.id));
            if !route.service_id.is_empty() {
                entry.insert("service_id".into(), Value::from(&*route.service_id));
            }
        }
        if let Some(extra) = &self.extra {
            extra.write(context, &mut entry);
        }
        entry
    }
}

/// The entry of a stream where nobody chose a format.
fn usual(context: &StreamContext, entry: &mut Map<String, Value>) {
    let (head, record) = (&context.head, &context.record);
    let total = u64::try_from(record.total.as_millis()).unwrap_or_default();
    let fields = json!({
        "protocol": head.transport.as_str(),
        "client_ip": head.client_ip().to_string(),
        "client_port": head.client.port(),
        "server_addr": head.local.to_string(),
        "server_name": head.server_name.as_deref(),
        "upstream": record.node.as_ref().map(ToString::to_string),
        "status": record.status,
        "reason": Some(record.reason).filter(|reason| !reason.is_empty()),
        "received": record.received,
        "sent": record.sent,
        "start_time": context.host.unix_ms().saturating_sub(total),
        "latency": record.total.as_micros() as f64 / 1000.0,
    });
    if let Value::Object(fields) = fields {
        let known = fields.into_iter().filter(|(_, value)| !value.is_null());
        entry.extend(known);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_plugin_api::RouteInfo;
    use weir_plugin_api::testkit::{self, FakeHost};

    use super::*;

    fn over() -> StreamContext {
        let head = testkit::stream("[::ffff:192.0.2.1]:5000", "10.0.0.1:9100");
        let mut context = StreamContext::new(head, FakeHost::shared());
        context.route = Some(Arc::new(RouteInfo {
            id: "7".into(),
            service_id: "s".into(),
            ..RouteInfo::default()
        }));
        context.record.status = 200;
        context.record.total = Duration::from_millis(30);
        context.record.received = 4;
        context.record.sent = 5;
        context.record.node = "10.0.0.2:6379".parse().ok();
        context
    }

    fn entry(config: Value, metadata: Option<Value>) -> Value {
        let mut whole = json!({"host": "127.0.0.1", "port": 514});
        let own = config.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(own);
        let context = CompileContext {
            metadata: metadata.map(Arc::new),
            ..CompileContext::dry()
        };
        let config = serde_json::from_value(whole).unwrap();
        let compiled = LogStreams::compile(config, &context).unwrap();
        Value::Object(compiled.entry(&over()))
    }

    #[test]
    fn the_default_entry_tells_who_spoke_with_whom() {
        let expected = json!({
            "protocol": "TCP", "client_ip": "192.0.2.1", "client_port": 5000, "server_addr": "10.0.0.1:9100",
            "upstream": "10.0.0.2:6379", "status": 200, "received": 4, "sent": 5,
            "start_time": 1_699_999_999_970_u64, "latency": 30.0, "route_id": "7", "service_id": "s",
        });
        assert_eq!(entry(json!({}), None), expected);
        assert_eq!(entry(json!({}), Some(json!({"log_format": {}}))), expected);
    }

    #[test]
    fn a_format_of_its_own_wins_over_that_of_the_metadata() {
        let metadata =
            json!({"log_format": {"from": "metadata", "port": "$server_port", "no": "$uri"}});
        assert_eq!(
            entry(json!({}), Some(metadata.clone())),
            json!({"from": "metadata", "port": "9100", "route_id": "7", "service_id": "s"})
        );
        let own = json!({"log_format": {"who": "$remote_addr"}});
        assert_eq!(
            entry(own, Some(metadata)),
            json!({"who": "192.0.2.1", "route_id": "7", "service_id": "s"})
        );
    }
}
