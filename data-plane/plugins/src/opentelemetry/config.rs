//! Configuration and metadata of `opentelemetry`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which requests are sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerName {
    /// All.
    AlwaysOn,
    /// None.
    #[default]
    AlwaysOff,
    /// A share, by the id of the trace.
    TraceIdRatio,
    /// What the client sampled; a root sampler where it says nothing.
    ParentBase,
}

/// Settings of a sampler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplerOptions {
    /// Share of `trace_id_ratio`.
    pub fraction: f64,
    /// Root sampler of `parent_base`.
    pub root: Root,
}

/// A sampler for requests without a parent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Root {
    /// Which requests are sampled.
    pub name: SamplerName,
    /// Settings of it.
    pub options: RootOptions,
}

/// Settings of a root sampler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootOptions {
    /// Share of `trace_id_ratio`.
    pub fraction: f64,
}

/// A sampler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplerConfig {
    /// Which requests are sampled.
    pub name: SamplerName,
    /// Settings of it.
    pub options: SamplerOptions,
}

/// What an operator writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Which requests are sampled.
    pub sampler: SamplerConfig,
    /// Variables that become attributes.
    pub additional_attributes: Option<Vec<String>>,
    /// Request headers that become attributes; a name that ends with `*` is a prefix.
    pub additional_header_prefix_attributes: Option<Vec<String>>,
}

/// Where ids of new traces come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraceIdSource {
    /// They are drawn.
    #[default]
    #[serde(rename = "random")]
    Random,
    /// The id of the request.
    #[serde(rename = "x-request-id")]
    RequestId,
}

/// Where spans go.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collector {
    /// Host and port, or a URL.
    pub address: String,
    /// Seconds that a call may take.
    pub request_timeout: i64,
    /// Headers of calls.
    pub request_headers: Option<BTreeMap<String, Value>>,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:4318".into(),
            request_timeout: 3,
            request_headers: None,
        }
    }
}

impl std::fmt::Debug for Collector {
    /// Shows no headers: credentials stand there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// When spans leave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processor {
    /// Whether spans are dropped when the queue is full, without sending what waits at once.
    pub drop_on_queue_full: Option<bool>,
    /// Spans that wait.
    pub max_queue_size: Option<i64>,
    /// Seconds after which the oldest span of a batch leaves.
    pub batch_timeout: Option<f64>,
    /// Seconds without another span after which a batch leaves.
    pub inactive_timeout: Option<f64>,
    /// Spans of a batch.
    pub max_export_batch_size: Option<i64>,
}

/// What is the same for all routes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Where ids of new traces come from.
    pub trace_id_source: TraceIdSource,
    /// Attributes of this service.
    pub resource: Option<BTreeMap<String, Value>>,
    /// Where spans go.
    pub collector: Collector,
    /// When they go.
    pub batch_span_processor: Processor,
    /// Whether variables tell trace and span.
    pub set_ngx_var: bool,
}
