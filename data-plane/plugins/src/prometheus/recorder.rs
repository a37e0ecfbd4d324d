//! From a finished request to the series that it changes, without allocation once they exist.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use weir_plugin_api::Context;

use super::config::Metadata;
use super::family::{Bandwidth, Latency, Registry, Series};
use super::{STATUS_LABELS, TRAFFIC_LABELS};

/// Label sets that one configuration remembers.
const REMEMBERED: usize = 4096;

/// Bytes of their keys.
const REMEMBERED_BYTES: usize = 1 << 20;

/// AI traffic has other values; this version has no AI plugins.
const REQUEST_TYPE: &str = "traditional_http";

thread_local! {
    /// The key of a label set is built here, so that finding it costs no allocation.
    static KEY: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The series that requests with one label set change.
#[derive(Clone)]
struct Handles {
    status: Arc<Series<AtomicU64>>,
    latency: Arc<Series<Latency>>,
    bandwidth: Arc<Series<Bandwidth>>,
}

#[derive(Default)]
struct Remembered {
    generation: u64,
    bytes: usize,
    handles: HashMap<Box<str>, Arc<Handles>>,
}

/// Writes requests into the registry.
pub(super) struct Recorder {
    registry: Arc<Registry>,
    prefer_name: bool,
    status_disabled: [bool; STATUS_LABELS.len()],
    latency_disabled: [bool; TRAFFIC_LABELS.len()],
    bandwidth_disabled: [bool; TRAFFIC_LABELS.len()],
    remembered: RwLock<Remembered>,
}

/// Label values of one request.
struct Values<'c> {
    code: u16,
    route: &'c str,
    service: &'c str,
    matched_uri: &'c str,
    matched_host: &'c str,
    consumer: &'c str,
    context: &'c Context,
}

impl Recorder {
    pub(super) fn new(registry: Arc<Registry>, metadata: &Metadata, prefer_name: bool) -> Self {
        let traffic = |metric| TRAFFIC_LABELS.map(|label| metadata.disables(metric, label));
        Self {
            registry,
            prefer_name,
            status_disabled: STATUS_LABELS.map(|label| metadata.disables("http_status", label)),
            latency_disabled: traffic("http_latency"),
            bandwidth_disabled: traffic("bandwidth"),
            remembered: RwLock::default(),
        }
    }

    /// Counts one finished request.
    pub(super) fn record(&self, context: &Context) {
        let now = context.host.monotonic();
        let values = self.values(context);
        let Some(handles) = self.handles(&values) else {
            return;
        };
        let record = &context.record;
        handles.status.touch(now).fetch_add(1, Ordering::Relaxed);
        let latency = handles.latency.touch(now);
        let bounds = &self.registry.bounds;
        latency.request.observe(record.total, bounds);
        if record.node.is_some() {
            latency.upstream.observe(record.upstream, bounds);
        }
        latency
            .gateway
            .observe(record.total.saturating_sub(record.upstream), bounds);
        let bandwidth = handles.bandwidth.touch(now);
        bandwidth
            .ingress
            .fetch_add(record.request_bytes, Ordering::Relaxed);
        bandwidth
            .egress
            .fetch_add(record.response_bytes, Ordering::Relaxed);
    }

    fn values<'c>(&self, context: &'c Context) -> Values<'c> {
        let name_or_id = |name: &'c str, id: &'c str| {
            if self.prefer_name && !name.is_empty() {
                name
            } else {
                id
            }
        };
        let (route, service) = context.route.as_deref().map_or(("", ""), |route| {
            (
                name_or_id(&route.name, &route.id),
                name_or_id(&route.service_name, &route.service_id),
            )
        });
        Values {
            code: context.record.status,
            route,
            service,
            matched_uri: &context.matched_uri,
            matched_host: &context.matched_host,
            consumer: context
                .consumer
                .as_deref()
                .map_or("", |consumer| &consumer.name),
            context,
        }
    }

    fn handles(&self, values: &Values<'_>) -> Option<Arc<Handles>> {
        KEY.with_borrow_mut(|key| {
            key.clear();
            values.write_key(key);
            self.write_extra(values.context, key);
            let generation = self.registry.generation.load(Ordering::Relaxed);
            {
                let remembered = self
                    .remembered
                    .read()
                    .unwrap_or_else(PoisonError::into_inner);
                if remembered.generation == generation
                    && let Some(handles) = remembered.handles.get(key.as_str())
                {
                    return Some(Arc::clone(handles));
                }
            }
            let handles = Arc::new(self.find(values)?);
            let generation = self.registry.generation.load(Ordering::Relaxed);
            let mut remembered = self
                .remembered
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if remembered.generation != generation
                || remembered.handles.len() >= REMEMBERED
                || remembered.bytes + key.len() > REMEMBERED_BYTES
            {
                *remembered = Remembered {
                    generation,
                    ..Remembered::default()
                };
            }
            remembered.bytes += key.len();
            let key = key.as_str().into();
            remembered.handles.insert(key, Arc::clone(&handles));
            Some(handles)
        })
    }

    /// Asks the registry: the slow path, once per label set.
    fn find(&self, values: &Values<'_>) -> Option<Handles> {
        let now = values.context.host.monotonic();
        let code = values.code.to_string();
        let node = values.node();
        let status = mask(
            [
                code.as_str(),
                values.route,
                values.matched_uri,
                values.matched_host,
                values.service,
                values.consumer,
                &node,
                REQUEST_TYPE,
                "",
                "",
                values.source(),
            ],
            &self.status_disabled,
        );
        let traffic = [
            values.route,
            values.service,
            values.consumer,
            &node,
            REQUEST_TYPE,
            "",
            "",
        ];
        let latency = mask(traffic, &self.latency_disabled);
        let bandwidth = mask(traffic, &self.bandwidth_disabled);
        let registry = &self.registry;
        let [status, latency, bandwidth] = [
            (status.as_slice(), &registry.status_labels),
            (latency.as_slice(), &registry.latency_labels),
            (bandwidth.as_slice(), &registry.bandwidth_labels),
        ]
        .map(|(own, extra)| {
            let own = own.iter().copied().map(Cow::Borrowed);
            own.chain(extra.values(values.context)).collect::<Vec<_>>()
        });
        let new_latency = || Latency::new(&registry.bounds);
        Some(Handles {
            status: registry.accept(registry.status.get(&status, now))?,
            latency: registry.accept(registry.latency.get_or(&latency, now, new_latency))?,
            bandwidth: registry.accept(registry.bandwidth.get(&bandwidth, now))?,
        })
    }

    /// What the settings' own labels tell apart. Requests may say anything to those: lengths go in
    /// front.
    fn write_extra(&self, context: &Context, key: &mut String) {
        let registry = &self.registry;
        for extra in [
            &registry.status_labels,
            &registry.latency_labels,
            &registry.bandwidth_labels,
        ] {
            for value in extra.values(context) {
                // Writing to a string cannot fail.
                let _ = write!(key, "\n{} {value}", value.len());
            }
        }
    }
}

impl Values<'_> {
    /// Address of the node without port, as APISIX has it; a Unix socket has none.
    fn node(&self) -> String {
        let node = self.context.record.node.as_ref();
        node.map(|node| {
            node.ip()
                .map_or_else(|| node.to_string(), |ip| ip.to_string())
        })
        .unwrap_or_default()
    }

    /// Who made the answer: `upstream`, `nginx` (the proxy, for want of an answer of a node) or
    /// `apisix` (routing and plugins).
    fn source(&self) -> &'static str {
        let record = &self.context.record;
        if !record.from_gateway {
            "upstream"
        } else if record.node.is_some() && matches!(record.status, 499 | 502 | 503 | 504) {
            "nginx"
        } else {
            "apisix"
        }
    }

    /// Everything that tells label sets apart. Values cannot hold the separator: they come from
    /// names and patterns of the configuration.
    fn write_key(&self, key: &mut String) {
        let Values {
            code,
            route,
            service,
            matched_uri,
            matched_host,
            consumer,
            ..
        } = self;
        let source = self.source();
        // Writing to a string cannot fail.
        let _ = write!(
            key,
            "{code}\n{source}\n{route}\n{service}\n{matched_uri}\n{matched_host}\n{consumer}\n"
        );
        key.push_str(&self.node());
    }
}

fn mask<'v, const N: usize>(mut values: [&'v str; N], disabled: &[bool; N]) -> [&'v str; N] {
    for (value, disabled) in values.iter_mut().zip(disabled) {
        if *disabled {
            *value = "";
        }
    }
    values
}
