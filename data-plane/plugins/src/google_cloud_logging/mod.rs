#![doc = include_str!("README.md")]

mod account;
mod config;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use weir_plugin_api::outside::Outside;
use weir_plugin_api::{CompileContext, Phase, Phases, PluginDef};

use crate::logging::{
    Delivery, Entry, EntryOptions, Format, Logger, Metadata, Sender, logs, rfc3339,
};

use account::Account;
use writer::{Source, Writer};

pub use config::{AuthConfig, Config};

/// Definition of `google-cloud-logging`.
pub struct GoogleCloudLogging;

impl PluginDef for GoogleCloudLogging {
    const NAME: &'static str = "google-cloud-logging";
    const PRIORITY: i32 = 407;
    const PHASES: Phases = Phases::of(&[Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let source = match (config.auth_config, config.auth_file) {
            (Some(account), _) => Source::Given(Arc::new(Account::parse(account)?)),
            // Only agents have the file.
            (None, Some(path)) => Source::File(path),
            (None, None) => return Err("auth_config or auth_file is required".into()),
        };
        let metadata = Metadata::of(context)?;
        let sender = Google {
            extra: metadata.extra_names(config.log_format_extra.as_ref()),
            resource: config.resource,
            writer: Arc::new(Writer {
                source,
                log_id: config.log_id,
                verify: config.ssl_verify,
                session: Mutex::default(),
                asking: futures_util::lock::Mutex::default(),
            }),
        };
        let entry = EntryOptions {
            log_format: config.log_format,
            log_format_extra: config.log_format_extra,
            ..EntryOptions::default()
        };
        let batch = &config.batch;
        let logger = Logger::new(Self::NAME, &config.name, &entry, batch, context, sender)?;
        let tag = BTreeMap::from([("id".to_owned(), "$request_id".to_owned())]);
        Ok(Compiled {
            logger: logger.tagged(Format::of_texts(&tag)),
        })
    }
}

/// `google-cloud-logging`, ready to run.
pub struct Compiled {
    logger: Logger,
}

logs!(Compiled);

/// Sends entries as Google's `LogEntry`.
struct Google {
    /// Fields that an operator added to the default ones.
    extra: Vec<String>,
    resource: Map<String, Value>,
    writer: Arc<Writer>,
}

impl Google {
    fn log_entry(&self, entry: &Entry) -> Value {
        let mut made = json!({
            "jsonPayload": self.payload(entry),
            "labels": {"source": "apache-apisix-google-cloud-logging"},
            "timestamp": rfc3339(entry.at_ms),
            "resource": self.resource,
        });
        if let Some(made) = made.as_object_mut() {
            if !entry.is_chosen {
                made.insert("httpRequest".into(), request(&entry.fields));
            }
            if let Some(id) = entry.tag.get("id") {
                made.insert("insertId".into(), id.clone());
            }
        }
        made
    }

    fn payload(&self, entry: &Entry) -> Value {
        if entry.is_chosen {
            return entry.fields.clone();
        }
        let names = ["route_id", "service_id"];
        let names = names
            .iter()
            .copied()
            .chain(self.extra.iter().map(String::as_str));
        let field = |name: &str| Some((name.to_owned(), entry.fields.get(name)?.clone()));
        Value::Object(names.filter_map(field).collect())
    }
}

/// `HttpRequest` of the default entry.
fn request(fields: &Value) -> Value {
    let at = |pointer: &str| fields.pointer(pointer).cloned().unwrap_or_default();
    let latency = at("/latency").as_f64().unwrap_or_default() / 1000.0;
    json!({
        "requestMethod": at("/request/method"),
        "requestUrl": at("/request/url"),
        "requestSize": at("/request/size"),
        "status": at("/response/status"),
        "responseSize": at("/response/size"),
        "userAgent": at("/request/headers/user-agent"),
        "remoteIp": at("/client_ip"),
        "serverIp": at("/upstream"),
        "latency": format!("{latency:.3}s"),
    })
}

impl Sender for Google {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Entry]) -> Delivery {
        let entries = batch.iter().map(|entry| self.log_entry(entry)).collect();
        let (writer, outside) = (Arc::clone(&self.writer), Arc::clone(outside));
        Box::pin(async move { Ok(writer.write(&*outside, entries).await?) })
    }
}
