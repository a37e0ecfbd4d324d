//! One request as the plugins see it, from the parsed head to the log.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::address::NodeAddress;
use crate::coding::Codings;
use crate::gateway::{ChangeAnswer, Gateway};
use crate::host::{Consumer, Host};
use crate::request::{RequestHead, UpstreamTarget};
use crate::response::ResponseHead;
use crate::tried::Tried;

/// What the node is told of the consumer.
const CONSUMER: HeaderName = HeaderName::from_static("x-consumer-username");
const CREDENTIAL: HeaderName = HeaderName::from_static("x-credential-identifier");
const CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");

/// Facts of the route that matched, made once when the configuration is compiled.
#[derive(Debug, Clone, Default)]
pub struct RouteInfo {
    /// Route id.
    pub id: Arc<str>,
    /// Route name, empty when it has none.
    pub name: Arc<str>,
    /// Service id, empty when it has none.
    pub service_id: Arc<str>,
    /// Service name, empty when it has none.
    pub service_name: Arc<str>,
}

/// Where a request stands in a trace, as a tracing plugin decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Id of the trace.
    pub trace_id: u128,
    /// Id of the span that stands for the request here.
    pub span_id: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// The header `traceparent` that says so (W3C Trace Context, section 3.2).
    #[must_use]
    pub fn traceparent(&self) -> String {
        let flags = u8::from(self.sampled);
        format!(
            "00-{:032x}-{:016x}-{flags:02x}",
            self.trace_id, self.span_id
        )
    }
}

/// What happened, for logs and metrics. Durations are zero until known.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Request id (also `apisix_request_id`).
    pub request_id: String,
    /// Time from the first byte of the request to the end of the answer.
    pub total: Duration,
    /// Time spent waiting for and reading from the node, over all tries.
    pub upstream: Duration,
    /// Time to connect of the last try; zero on a pooled connection.
    pub connect: Duration,
    /// Time from the request being sent to the head of the answer.
    pub first_byte: Duration,
    /// Bytes of the request, head included.
    pub request_bytes: u64,
    /// Bytes of the answer's head and body sent to the client.
    pub response_bytes: u64,
    /// Bytes of the answer's body sent to the client.
    pub body_bytes: u64,
    /// Node of the last try.
    pub node: Option<NodeAddress>,
    /// Host of that node as it is configured, before it was resolved; empty until there is one.
    pub node_host: Arc<str>,
    /// The same with its port, unless that is the scheme's own.
    pub node_authority: Arc<str>,
    /// Every try, in order, when there were several; else empty.
    pub tries: Vec<Tried>,
    /// Statuses of all tries, in order; 502 and 504 stand for tries without an answer.
    pub upstream_statuses: Vec<u16>,
    /// Status sent to the client; 499 when it was gone first.
    pub status: u16,
    /// Whether the answer was made by the gateway (`true`) or by the node.
    pub from_gateway: bool,
    /// Machine-readable reason of a failure, empty when there was none.
    pub reason: &'static str,
}

/// State of one request.
pub struct Context {
    /// Head of the client's request; headers may be changed.
    pub request: RequestHead,
    /// Head of the node's answer before any filter, when [`Context::keep_node_head`] is set.
    pub node_head: Option<ResponseHead>,
    /// Set by a plugin that wants the head of the node's answer as it came.
    pub keep_node_head: bool,
    /// What the node is asked differently.
    pub target: UpstreamTarget,
    /// Head of the answer; set from the header filter on.
    pub response: Option<ResponseHead>,
    /// Fields behind the answer's body; there when body filters see its end. They may change or take
    /// them.
    pub trailers: Option<HeaderMap>,
    /// The route that matched; `None` when none did.
    pub route: Option<Arc<RouteInfo>>,
    /// Path pattern of the route that matched (`/a/*`), empty when none did.
    pub matched_uri: Arc<str>,
    /// Host pattern of the route that matched, empty when it has none.
    pub matched_host: Arc<str>,
    /// Captures of the path: names without prefix (`id`, `1`) and values.
    pub params: Vec<(Arc<str>, String)>,
    /// The consumer, once authenticated.
    pub consumer: Option<Arc<Consumer>>,
    /// Claims of the token that `jwt-auth` accepted, when its `store_in_ctx` is on.
    pub jwt_claims: Option<Arc<Value>>,
    /// Who a plugin authenticated that is no consumer, as the service that knows them says: an
    /// object.
    pub external_user: Option<Arc<Value>>,
    /// Where `opentelemetry` put the request, if it tells others (`opentelemetry_trace_id`).
    pub opentelemetry: Option<TraceContext>,
    /// Where `zipkin` put the request (`zipkin_trace_id`).
    pub zipkin: Option<TraceContext>,
    /// Services of the proxy.
    pub host: Arc<dyn Host>,
    /// The gateway, for requests inside this one; `None` in one that is itself inside another.
    pub gateway: Option<Rc<dyn Gateway>>,
    /// What changes answers of plugins from here on, in this order.
    pub answer_changes: Vec<Arc<dyn ChangeAnswer>>,
    /// What happened so far.
    pub record: Record,
    /// Set by a body filter that cannot deliver an honest body (corrupt or oversized): the proxy
    /// ends the connection (HTTP/1) or resets the stream (HTTP/2) instead of finishing the answer.
    pub abort_response: bool,
    /// Set by a plugin that answers before a node is asked, and would not if it were another one:
    /// the answer is sent only when there is no other.
    pub pass_over_node: bool,
    /// Largest body of the request in bytes, where it is another than the gateway's; 0 is no limit.
    /// Counts once the rewrite and access phases are over.
    pub max_body: Option<u64>,
    /// Set by the chain before each call: distinguishes two instances of one plugin.
    pub instance: u32,
    locals: Vec<(u32, TypeId, Box<dyn Any>)>,
    skipped: Vec<&'static str>,
    pub(crate) codings: Codings,
}

impl Context {
    /// The state of a request that was just parsed.
    #[must_use]
    pub fn new(request: RequestHead, host: Arc<dyn Host>) -> Self {
        Self {
            request,
            node_head: None,
            keep_node_head: false,
            target: UpstreamTarget::default(),
            response: None,
            trailers: None,
            route: None,
            matched_uri: Arc::from(""),
            matched_host: Arc::from(""),
            params: Vec::new(),
            consumer: None,
            jwt_claims: None,
            external_user: None,
            opentelemetry: None,
            zipkin: None,
            host,
            gateway: None,
            answer_changes: Vec::new(),
            record: Record::default(),
            abort_response: false,
            pass_over_node: false,
            max_body: None,
            instance: 0,
            locals: Vec::new(),
            skipped: Vec::new(),
            codings: Codings::default(),
        }
    }

    /// Keeps the plugin `name` from running in the phases that are left of this request: another
    /// one does its work.
    pub fn skip(&mut self, name: &'static str) {
        self.skipped.push(name);
    }

    /// Whether the plugin `name` shall not run any more.
    #[must_use]
    pub fn skips(&self, name: &str) -> bool {
        self.skipped.contains(&name)
    }

    /// State of the current plugin instance for this request, made on first use.
    ///
    /// # Panics
    /// Never: a value is only found under the type id that it was stored under.
    pub fn local_mut<T: Any + Default>(&mut self) -> &mut T {
        let wanted = (self.instance, TypeId::of::<T>());
        let at = self
            .locals
            .iter()
            .position(|(instance, id, _)| (*instance, *id) == wanted);
        let index = at.unwrap_or_else(|| {
            self.locals
                .push((wanted.0, wanted.1, Box::new(T::default())));
            self.locals.len() - 1
        });
        #[expect(
            clippy::expect_used,
            clippy::indexing_slicing,
            reason = "index found or pushed \
            just above, under the type id of T"
        )]
        self.locals[index]
            .2
            .downcast_mut::<T>()
            .expect("stored under its own type id")
    }

    /// Attaches the consumer and sets the headers that tell the node about it; headers of these
    /// names that the client sent are removed.
    pub fn attach_consumer(&mut self, consumer: Arc<Consumer>) {
        let headers = &mut self.request.headers;
        set_or_remove(headers, CONSUMER, Some(&consumer.name));
        set_or_remove(headers, CREDENTIAL, consumer.credential_id.as_deref());
        let custom_id = consumer.labels.get("custom_id").map(String::as_str);
        set_or_remove(headers, CUSTOM_ID, custom_id);
        self.consumer = Some(consumer);
    }

    /// First value of a request header as text; `None` when absent or not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// First value of a query argument, percent-decoded.
    #[must_use]
    pub fn query_arg(&self, name: &str) -> Option<Cow<'_, str>> {
        crate::request::query_arg(self.request.query.as_deref()?, name)
    }
}

fn set_or_remove(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    match value.and_then(|value| HeaderValue::from_str(value).ok()) {
        Some(value) => {
            headers.insert(name, value);
        }
        None => {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testkit::{FakeHost, request};

    #[test]
    fn local_state_belongs_to_instance_and_type() {
        let mut context = request("/").context(FakeHost::shared());
        context.instance = 1;
        *context.local_mut::<u32>() = 7;
        *context.local_mut::<String>() = "seven".into();
        context.instance = 2;
        assert_eq!(*context.local_mut::<u32>(), 0);
        context.instance = 1;
        assert_eq!(*context.local_mut::<u32>(), 7);
        assert_eq!(context.local_mut::<String>(), "seven");
    }

    #[test]
    fn a_plugin_whose_work_is_done_is_named() {
        let mut context = request("/").context(FakeHost::shared());
        assert!(!context.skips("limit-count"));
        context.skip("limit-count");
        assert!(context.skips("limit-count"));
        assert!(!context.skips("limit-conn"));
    }

    #[test]
    fn an_attached_consumer_replaces_what_the_client_said() {
        let mut context = request("/")
            .header("x-consumer-username", "forged")
            .header("x-consumer-username", "twice")
            .header("x-credential-identifier", "forged")
            .header("x-consumer-custom-id", "forged")
            .context(FakeHost::shared());
        context.attach_consumer(Arc::new(Consumer {
            name: "jack".into(),
            labels: BTreeMap::from([("custom_id".into(), "495".into())]),
            ..Consumer::default()
        }));
        let values = |name: &str| context.request.headers.get_all(name).iter().count();
        assert_eq!(values("x-consumer-username"), 1);
        assert_eq!(values("x-credential-identifier"), 0);
        assert_eq!(context.header("x-consumer-username"), Some("jack"));
        assert_eq!(context.header("x-consumer-custom-id"), Some("495"));
        assert_eq!(context.consumer.unwrap().name, "jack");
    }

    #[test]
    fn a_name_that_cannot_stand_in_a_header_removes_it() {
        let mut context = request("/")
            .header("x-consumer-username", "forged")
            .context(FakeHost::shared());
        context.attach_consumer(Arc::new(Consumer {
            name: "a\r\nb".into(),
            ..Consumer::default()
        }));
        assert_eq!(context.header("x-consumer-username"), None);
    }
}
