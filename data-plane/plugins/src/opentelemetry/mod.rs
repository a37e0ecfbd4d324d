#![doc = include_str!("README.md")]

mod attributes;
mod config;
mod exporter;
pub mod proto;
mod sampler;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step, TraceContext,
};

use crate::logging::{BatchOptions, Batches, Rules};
use crate::spans::b3::{self, Decision, Outgoing};
use crate::spans::{self, End, Parent, w3c};

use attributes::Attributes;
use config::Processor;
use exporter::Exporter;
use proto::{KeyValue, Span, Status};
use sampler::Sampler;

pub use config::{Config, Metadata, TraceIdSource};

/// Definition of `opentelemetry`.
pub struct Opentelemetry;

impl PluginDef for Opentelemetry {
    const NAME: &'static str = "opentelemetry";
    const PRIORITY: i32 = 12_009;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite, Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = match &context.metadata {
            Some(stored) => Metadata::deserialize(&**stored)
                .map_err(|error| format!("plugin metadata: {error}"))?,
            None => Metadata::default(),
        };
        let hostname = Arc::new(OnceLock::new());
        let exporter = Exporter::new(&metadata, Arc::clone(&hostname))?;
        let rules = rules(&metadata.batch_span_processor)?;
        Ok(Compiled {
            sampler: Sampler::new(&config.sampler)?,
            attributes: Attributes::new(&config),
            source: metadata.trace_id_source,
            tells: metadata.set_ngx_var,
            batches: Batches::shared(Self::NAME, Self::NAME, rules, context, exporter),
            hostname,
        })
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        let metadata = Metadata::deserialize(metadata).map_err(|error| error.to_string())?;
        rules(&metadata.batch_span_processor)?;
        Exporter::new(&metadata, Arc::default()).map(drop)
    }
}

/// `batch_span_processor`, with the defaults of OpenTelemetry for Lua.
fn rules(processor: &Processor) -> Result<Rules, String> {
    let count = |name: &str, number: Option<i64>, default: usize| match number {
        None => Ok(default),
        Some(number) => usize::try_from(number)
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| {
                format!("batch_span_processor.{name}: expected a number above 0, got {number}")
            }),
    };
    let time = |name: &str, seconds: Option<f64>, default: u64| match seconds {
        None => Ok(Duration::from_secs(default)),
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|time| !time.is_zero())
            .ok_or_else(|| {
                format!("batch_span_processor.{name}: expected seconds above 0, got {seconds}")
            }),
    };
    let limit = count("max_queue_size", processor.max_queue_size, 2048)?;
    let size = processor.max_export_batch_size;
    Ok(Rules {
        batch_max_size: count("max_export_batch_size", size, 256)?,
        inactive: time("inactive_timeout", processor.inactive_timeout, 2)?,
        buffer: time("batch_timeout", processor.batch_timeout, 5)?,
        hurries: processor.drop_on_queue_full == Some(false),
        ..Rules::new(&BatchOptions::default(), limit)
    })
}

/// `opentelemetry`, ready to run.
pub struct Compiled {
    sampler: Sampler,
    attributes: Attributes,
    source: TraceIdSource,
    /// Whether variables tell trace and span.
    tells: bool,
    batches: Arc<Batches<Span>>,
    hostname: Arc<OnceLock<String>>,
}

/// A request that is sampled.
#[derive(Default)]
struct Running(Option<Box<Sampled>>);

struct Sampled {
    trace: TraceContext,
    parent: Option<u64>,
    state: String,
    /// Of headers, as the client sent them.
    attributes: Vec<KeyValue>,
}

impl Compiled {
    /// The id of a trace that begins here.
    fn new_trace(&self, context: &Context) -> u128 {
        let given = match self.source {
            TraceIdSource::Random => None,
            TraceIdSource::RequestId => {
                let sent = context.header("x-request-id");
                let id = sent.unwrap_or(&context.record.request_id);
                let digits: String = id.chars().filter(|c| *c != '-').take(33).collect();
                spans::hex(&digits, &[32]).filter(|id| *id != 0)
            }
        };
        given.unwrap_or_else(|| spans::trace_id(&*context.host))
    }
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let incoming = w3c::extract(&context.request.headers);
        // What is malformed there begins a new trace.
        let b3 = b3::extract(&context.request.headers).unwrap_or_default();
        let (parent, sampled, state) = match incoming {
            Some(incoming) => (
                Some(incoming.parent),
                Some(incoming.sampled),
                incoming.state,
            ),
            None => {
                let sampled = b3.decision.map(|decision| decision != Decision::Deny);
                (b3.parent, sampled, String::new())
            }
        };
        let trace_id = match parent {
            Some(Parent { trace_id, .. }) => trace_id,
            None => self.new_trace(context),
        };
        let trace = TraceContext {
            trace_id,
            span_id: spans::span_id(&*context.host),
            sampled: self.sampler.samples(trace_id, sampled),
        };
        let headers = &mut context.request.headers;
        if trace.sampled {
            let attributes = self.attributes.of_headers(headers);
            context.local_mut::<Running>().0 = Some(Box::new(Sampled {
                trace,
                parent: parent.map(|parent| parent.span_id),
                state,
                attributes,
            }));
        }
        let headers = &mut context.request.headers;
        w3c::inject(headers, &trace, parent.is_some());
        if b3 != b3::Incoming::default() {
            let outgoing = Outgoing {
                trace_id,
                is_short: b3.is_short && trace_id >> 64 == 0,
                span_id: trace.span_id,
                parent_id: parent.map(|parent| parent.span_id),
                decision: match trace.sampled {
                    true => Decision::Accept,
                    false => Decision::Deny,
                },
            };
            b3::inject(headers, &outgoing);
        }
        if self.tells {
            context.opentelemetry = Some(trace);
        }
        Step::Continue
    }

    fn log(&self, context: &mut Context) {
        let Some(sampled) = context.local_mut::<Running>().0.take() else {
            return;
        };
        self.hostname
            .get_or_init(|| context.host.hostname().to_owned());
        let (from, to) = End::of(context).request(context);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let method = context.request.method.as_str();
        let name = match &*context.matched_uri {
            "" => method.to_owned(),
            pattern => format!("{method} {pattern}"),
        };
        self.batches.reached_at(context.request.local.ip());
        let mut attributes = sampled.attributes;
        self.attributes.of_request(context, &mut attributes);
        self.batches.push(Span {
            trace_id: sampled.trace.trace_id.to_be_bytes().to_vec(),
            span_id: sampled.trace.span_id.to_be_bytes().to_vec(),
            trace_state: sampled.state,
            parent_span_id: sampled
                .parent
                .map(|id| id.to_be_bytes().to_vec())
                .unwrap_or_default(),
            name,
            kind: 2,
            start_time_unix_nano: nanos(from),
            end_time_unix_nano: nanos(to),
            attributes,
            status: failure(context),
            flags: 1,
        });
    }
}

/// The status of a span whose request failed.
fn failure(context: &Context) -> Option<Status> {
    let record = &context.record;
    if record.status < 500 {
        return None;
    }
    let message = match record.reason {
        "" => format!("upstream response status: {}", record.status),
        reason => reason.to_owned(),
    };
    Some(Status { message, code: 2 })
}
