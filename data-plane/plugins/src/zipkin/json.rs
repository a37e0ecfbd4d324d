//! Spans in Zipkin's JSON, version 2.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The spans of one request. Points in time are since the epoch.
pub(super) struct Trace {
    pub(super) trace_id: u128,
    pub(super) is_short: bool,
    /// The client's span.
    pub(super) parent: Option<u64>,
    /// The span of the request.
    pub(super) request: u64,
    pub(super) is_debug: bool,
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) local: SocketAddr,
    pub(super) client: SocketAddr,
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) children: Vec<Child>,
}

/// A span below that of the request.
pub(super) struct Child {
    pub(super) name: &'static str,
    pub(super) id: u64,
    pub(super) parent: u64,
    pub(super) from: Duration,
    pub(super) to: Duration,
    /// The node that was asked.
    pub(super) node: Option<SocketAddr>,
}

/// The body of `POST /api/v2/spans`.
pub(super) fn encode(service: &str, batch: &[Trace]) -> String {
    let spans: Vec<Value> = batch
        .iter()
        .flat_map(|trace| spans(service, trace))
        .collect();
    Value::Array(spans).to_string()
}

fn spans(service: &str, trace: &Trace) -> Vec<Value> {
    let local = endpoint(Some(service), trace.local);
    let trace_id = match trace.is_short {
        true => format!("{:016x}", trace.trace_id),
        false => format!("{:032x}", trace.trace_id),
    };
    let span = |name: &str, id: u64, parent: Option<u64>, from: Duration, to: Duration| {
        let mut span = Map::new();
        let mut set = |name: &str, value: Value| span.insert(name.to_owned(), value);
        set("traceId", trace_id.as_str().into());
        set("id", format!("{id:016x}").into());
        set("name", name.into());
        set("timestamp", micros(from).into());
        // None is 0: that would mean unknown.
        set("duration", micros(to.saturating_sub(from)).max(1).into());
        set("localEndpoint", local.clone());
        if let Some(parent) = parent {
            set("parentId", format!("{parent:016x}").into());
        }
        if trace.is_debug {
            set("debug", true.into());
        }
        span
    };
    let mut request = span(
        "apisix.request",
        trace.request,
        trace.parent,
        trace.from,
        trace.to,
    );
    request.insert("kind".into(), "SERVER".into());
    request.insert("remoteEndpoint".into(), endpoint(None, trace.client));
    request.insert("tags".into(), tags(trace));
    let children = trace.children.iter().map(|child| {
        let parent = Some(child.parent);
        let mut made = span(child.name, child.id, parent, child.from, child.to);
        if let Some(node) = child.node {
            made.insert("kind".into(), "CLIENT".into());
            made.insert("remoteEndpoint".into(), endpoint(None, node));
        }
        made.insert("tags".into(), json!({"component": "apisix"}));
        made
    });
    std::iter::once(request)
        .chain(children)
        .map(Value::Object)
        .collect()
}

/// Tags of the span of the request; Zipkin takes texts only.
fn tags(trace: &Trace) -> Value {
    let mut tags = Map::new();
    let mut set = |name: &str, value: &str| tags.insert(name.to_owned(), value.into());
    let status = trace.status.to_string();
    set("component", "apisix");
    set("http.method", &trace.method);
    set("http.url", &trace.uri);
    set("http.status_code", &status);
    if trace.status >= 500 {
        let reason = match trace.reason {
            "" => status.as_str(),
            reason => reason,
        };
        set("error", reason);
    }
    Value::Object(tags)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn endpoint(service: Option<&str>, address: SocketAddr) -> Value {
    let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    let mut endpoint = Map::new();
    endpoint.insert(family.into(), address.ip().to_string().into());
    endpoint.insert("port".into(), address.port().into());
    if let Some(service) = service {
        endpoint.insert("serviceName".into(), service.into());
    }
    Value::Object(endpoint)
}
