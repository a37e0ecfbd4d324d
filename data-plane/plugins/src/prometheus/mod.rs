#![doc = include_str!("README.md")]

mod attributes;
mod config;
mod facts;
mod family;
mod recorder;
mod render;
pub mod stream;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, RunPolicy};

use family::Registry;
use recorder::Recorder;

pub use attributes::Attributes;
pub use config::{Config, Metadata};
pub use facts::{Connections, Discovered, NodeFacts, Pools, UpstreamConnections, UpstreamNode};
pub use render::{CONTENT_TYPE, render};

/// Labels of `http_status`, in APISIX's order.
const STATUS_LABELS: [&str; 11] = [
    "code",
    "route",
    "matched_uri",
    "matched_host",
    "service",
    "consumer",
    "node",
    "request_type",
    "request_llm_model",
    "llm_model",
    "response_source",
];

/// Labels of `http_latency` and `bandwidth` behind `type`, in APISIX's order.
const TRAFFIC_LABELS: [&str; 7] = [
    "route",
    "service",
    "consumer",
    "node",
    "request_type",
    "request_llm_model",
    "llm_model",
];

/// Definition of `prometheus`.
pub struct Prometheus;

impl PluginDef for Prometheus {
    const NAME: &'static str = "prometheus";
    const PRIORITY: i32 = 500;
    const PHASES: Phases = Phases::of(&[Phase::Log]);
    const RUN_POLICY: RunPolicy = RunPolicy::PreferRoute;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = match &context.metadata {
            None => Metadata::default(),
            Some(document) => Metadata::deserialize(&**document)
                .map_err(|error| format!("plugin metadata: {error}"))?,
        };
        Ok(Compiled {
            recorder: Recorder::new(Registry::of(context)?, &metadata, config.prefer_name),
        })
    }
}

/// `prometheus`, ready to run.
pub struct Compiled {
    recorder: Recorder,
}

impl Plugin for Compiled {
    fn log(&self, context: &mut Context) {
        self.recorder.record(context);
    }
}
