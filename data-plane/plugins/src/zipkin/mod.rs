#![doc = include_str!("README.md")]

mod config;
mod json;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, TraceContext,
};

use crate::logging::{self, BatchOptions, Batches, Metadata, Posts, Rules};
use crate::spans::b3::{self, Decision, Incoming, Outgoing};
use crate::spans::{self, End};

use json::{Child, Trace};

pub use config::Config;

/// Name of its batch processor, as in APISIX.
const PROCESSOR: &str = "zipkin_report";

/// Definition of `zipkin`.
pub struct Zipkin;

impl PluginDef for Zipkin {
    const NAME: &'static str = "zipkin";
    const PRIORITY: i32 = 12_011;
    const PHASES: Phases = Phases::of(&[
        Phase::Rewrite,
        Phase::Access,
        Phase::HeaderFilter,
        Phase::Log,
    ]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let place = std::slice::from_ref(&config.endpoint);
        let calls = logging::calls("endpoint", place, "", |uri| {
            let mut call = HttpCall::new(Method::POST, uri);
            call.headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            call
        })?;
        let address = config.server_addr.map(|text| {
            let address = text.parse::<Ipv4Addr>();
            address.map_err(|_| format!("server_addr: expected an IPv4 address, got {text:?}"))
        });
        let service = config.service_name;
        let sender = Posts::new(calls, move |batch| json::encode(&service, batch));
        let limit = Metadata::default().max_pending_entries;
        let rules = Rules::new(&BatchOptions::default(), limit);
        Ok(Compiled {
            ratio: config.sample_ratio,
            address: address.transpose()?,
            each_phase: config.span_version == 1,
            batches: Batches::shared(Self::NAME, PROCESSOR, rules, context, sender),
        })
    }
}

/// `zipkin`, ready to run.
pub struct Compiled {
    ratio: f64,
    address: Option<Ipv4Addr>,
    /// Whether each phase has a span.
    each_phase: bool,
    batches: Arc<Batches<Trace>>,
}

/// A request that is sampled, between its phases.
#[derive(Default)]
struct Running(Option<Box<Sampled>>);

struct Sampled {
    incoming: Incoming,
    trace_id: u128,
    request: u64,
    proxy: u64,
    decision: Decision,
    /// Ends of the phases, on the monotonic clock.
    rewritten: Duration,
    accessed: Option<Duration>,
    answered: Option<Duration>,
}

impl Compiled {
    /// What is decided of a request.
    fn decide(&self, context: &Context, incoming: &Incoming) -> Decision {
        incoming.decision.unwrap_or_else(|| {
            // 53 bits are what a fraction holds.
            let drawn = (context.host.random() >> 11) as f64 / (1_u64 << 53) as f64;
            match drawn < self.ratio {
                true => Decision::Accept,
                false => Decision::Deny,
            }
        })
    }

    fn local(&self, context: &Context) -> SocketAddr {
        let local = context.request.local;
        let ip = self.address.map_or_else(|| local.ip(), IpAddr::V4);
        SocketAddr::new(ip, local.port())
    }

    /// The spans below that of the request.
    fn children(&self, sampled: &Sampled, context: &Context, end: End) -> Vec<Child> {
        let (begun, ended) = end.request(context);
        let at = |monotonic| end.calendar(monotonic).max(begun);
        let node = context.record.node.as_ref();
        let node = node.and_then(|node| Some(SocketAddr::new(node.ip()?, node.port()?)));
        let child = |name, parent, from, to| Child {
            name,
            id: spans::span_id(&*context.host),
            parent,
            from,
            to,
            node: None,
        };
        let mut children = Vec::with_capacity(4);
        let answered = sampled.answered.map(at);
        if self.each_phase {
            let rewritten = at(sampled.rewritten);
            children.push(child("apisix.rewrite", sampled.request, begun, rewritten));
            if let Some(accessed) = sampled.accessed.map(at) {
                children.push(child("apisix.access", sampled.request, rewritten, accessed));
                children.push(Child {
                    id: sampled.proxy,
                    node,
                    ..child("apisix.proxy", sampled.request, accessed, ended)
                });
                if let Some(answered) = answered {
                    children.push(child("apisix.body_filter", sampled.proxy, answered, ended));
                }
            }
            return children;
        }
        if sampled.accessed.is_some() {
            children.push(Child {
                id: sampled.proxy,
                node,
                ..child(
                    "apisix.proxy",
                    sampled.request,
                    begun,
                    answered.unwrap_or(ended),
                )
            });
        }
        if let Some(answered) = answered {
            children.push(child(
                "apisix.response_span",
                sampled.request,
                answered,
                ended,
            ));
        }
        children
    }
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Ok(incoming) = b3::extract(&context.request.headers) else {
            return Step::respond(Response::page(StatusCode::BAD_REQUEST));
        };
        let decision = self.decide(context, &incoming);
        if decision == Decision::Deny {
            b3::deny(&mut context.request.headers, &incoming);
            return Step::Continue;
        }
        let host = &*context.host;
        let trace_id = incoming.parent.map(|parent| parent.trace_id);
        let trace_id = trace_id.unwrap_or_else(|| spans::trace_id(host));
        let sampled = Sampled {
            trace_id,
            request: spans::span_id(host),
            proxy: spans::span_id(host),
            decision,
            rewritten: host.monotonic(),
            accessed: None,
            answered: None,
            incoming,
        };
        context.zipkin = Some(TraceContext {
            trace_id,
            span_id: sampled.request,
            sampled: true,
        });
        context.local_mut::<Running>().0 = Some(Box::new(sampled));
        Step::Continue
    }

    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let now = context.host.monotonic();
        let Some(sampled) = &mut context.local_mut::<Running>().0 else {
            return Step::Continue;
        };
        sampled.accessed = Some(now);
        let outgoing = Outgoing {
            trace_id: sampled.trace_id,
            is_short: sampled.incoming.is_short,
            span_id: sampled.proxy,
            parent_id: Some(sampled.request),
            decision: sampled.decision,
        };
        b3::inject(&mut context.request.headers, &outgoing);
        Step::Continue
    }

    fn header_filter(&self, context: &mut Context) {
        let now = context.host.monotonic();
        if let Some(sampled) = &mut context.local_mut::<Running>().0 {
            sampled.answered = Some(now);
        }
    }

    fn log(&self, context: &mut Context) {
        let Some(sampled) = context.local_mut::<Running>().0.take() else {
            return;
        };
        let end = End::of(context);
        let (begun, ended) = end.request(context);
        self.batches.reached_at(context.request.local.ip());
        self.batches.push(Trace {
            trace_id: sampled.trace_id,
            is_short: sampled.incoming.is_short,
            parent: sampled.incoming.parent.map(|parent| parent.span_id),
            request: sampled.request,
            is_debug: sampled.decision == Decision::Debug,
            from: begun,
            to: ended,
            local: self.local(context),
            client: SocketAddr::new(context.request.client_ip, context.request.client_port),
            method: context.request.method.to_string(),
            uri: context.request.raw_target.clone(),
            status: context.record.status,
            reason: context.record.reason,
            children: self.children(&sampled, context, end),
        });
    }
}
