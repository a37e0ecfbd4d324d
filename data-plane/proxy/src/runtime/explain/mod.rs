//! What would become of a request, and why: which route wins, what keeps others from winning, which
//! plugins run and whose they are, where it leads and what the node is asked. Found out by the code
//! that serves requests; nothing is sent anywhere.

mod misses;
mod outgoing;
mod plugins;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use weir_model::Key;
use weir_model::route::Route;
use weir_plugin_api::{BodyLimits, Context, Scheme};

use super::{CompiledRoute, Runtime};
use crate::error::Reason;
use crate::http::forward::{self, RealIp};
use crate::http::request::{self, Received, Rules};
use crate::http::target::PathRules;
use crate::upstream::runtime::UpstreamRuntime;

pub use misses::Miss;
pub use outgoing::Outgoing;
pub use plugins::{PluginLine, State};

/// The address that a client has unless it is told: one for documentation (RFC 5737).
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A request that is asked about.
#[derive(Debug, Clone)]
pub struct Question {
    /// The request, its host in the target or in a field.
    pub request: Request<Bytes>,
    /// How the client speaks.
    pub scheme: Scheme,
    /// Address of the client.
    pub client: IpAddr,
    /// The consumer that it is taken for, whatever its credentials say.
    pub consumer: Option<String>,
}

/// What would become of it.
pub struct Explanation {
    /// The route that wins, with what is known of it.
    pub taken: Option<Taken>,
    /// Why the gateway answers itself, unless a node is asked.
    pub reason: Option<Reason>,
    /// Routes that nearly win, nearest first.
    pub misses: Vec<Miss>,
    /// Plugins in the order in which they run, those of global rules first, then those that do
    /// not run.
    pub plugins: Vec<PluginLine>,
    /// The consumer, when there is one.
    pub consumer: Option<String>,
    /// Where it leads.
    pub upstream: Option<Arc<UpstreamRuntime>>,
    /// What a node is asked.
    pub outgoing: Option<Outgoing>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// A route that was taken.
pub struct Taken {
    /// The route.
    pub route: Arc<CompiledRoute>,
    /// The service, when it names one.
    pub service: Option<Key>,
    /// The plugin config, when it names one.
    pub plugin_config: Option<Key>,
    /// The path pattern that matched.
    pub uri: Arc<str>,
    /// The host pattern that matched; empty when the route has none.
    pub host: Arc<str>,
    /// What the path captured: name or number, and value.
    pub captures: Vec<(Arc<str>, String)>,
}

impl Runtime {
    /// Explains what would become of a request. Takes time in the number of routes.
    #[must_use]
    pub fn explain(&self, question: &Question) -> Explanation {
        let mut explanation = Explanation {
            taken: None,
            reason: None,
            misses: Vec::new(),
            plugins: Vec::new(),
            consumer: None,
            upstream: None,
            outgoing: None,
            notes: Vec::new(),
        };
        let mut context = match self.received(question) {
            Ok(context) => context,
            Err(reason) => {
                explanation.reason = Some(reason);
                return explanation;
            }
        };
        let found = self.route(&context.request);
        explanation.misses = self.misses(&context.request, found.as_ref());
        if let Some(found) = found {
            context.matched_uri = found.matched_uri();
            context.matched_host = found.matched_host();
            context.route = Some(Arc::clone(&found.route.info));
            context.params = found.params;
            explanation.taken = Some(self.taken(Arc::clone(found.route), &context));
        } else {
            explanation.reason = Some(Reason::NoRoute);
        }
        let taken = explanation.taken.as_ref();
        let ran = self.preview(taken, question.consumer.as_deref(), &mut context);
        explanation.plugins = ran.lines;
        explanation.notes = ran.notes;
        let ended = explanation.plugins.iter().find_map(PluginLine::answer);
        let ends = ended.is_some();
        explanation.notes.extend(
            ended.map(|(name, status)| format!("{name} answers {status}: no node is asked")),
        );
        explanation.consumer = context
            .consumer
            .as_ref()
            .map(|consumer| consumer.name.clone());
        if let Some(taken) = taken {
            let target = match &context.target.upstream {
                Some(choice) => self.chosen(choice),
                None => self.target(&taken.route.target).map(Arc::clone),
            };
            match target {
                Ok(upstream) => explanation.leads(self, &upstream, &mut context, ends),
                Err(reason) => explanation.reason = Some(reason),
            }
        }
        explanation
    }

    /// The request as plugins would see it.
    fn received(&self, question: &Question) -> Result<Context, Reason> {
        let (parts, body) = question.request.clone().into_parts();
        let peer = request::Peer {
            peer: SocketAddr::new(question.client, 50_000),
            relay: None,
            local: SocketAddr::new(
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                match question.scheme {
                    Scheme::Http => 9080,
                    Scheme::Https => 9443,
                },
            ),
            scheme: question.scheme,
        };
        let rules = Rules {
            uri_length: usize::MAX,
            header_count: usize::MAX,
            paths: PathRules::default(),
            bodies: BodyLimits::default(),
        };
        let Received {
            mut head,
            sent,
            refused,
            upgrade: _,
        } = request::head(parts, &peer, rules);
        if let Some(refusal) = refused {
            return Err(refusal.reason);
        }
        forward::observe(&mut head, &RealIp::default(), None);
        head.body.set(body);
        let mut context = Context::new(head, self.host());
        context.target.uri = sent;
        Ok(context)
    }

    fn taken(&self, route: Arc<CompiledRoute>, context: &Context) -> Taken {
        use weir_model::Kind;
        let key = Key::new(Kind::Route, Arc::clone(&route.info.id));
        let document = self.parts.set.get(&key);
        let document = document.and_then(|resource| Route::parse(&resource.spec).ok());
        let document = document.as_ref();
        let id = |kind, id: Option<&Arc<str>>| id.map(|id| Key::new(kind, Arc::clone(id)));
        Taken {
            service: id(
                Kind::Service,
                document.and_then(|route| route.service_id.as_ref()),
            ),
            plugin_config: id(
                Kind::PluginConfig,
                document.and_then(|route| route.plugin_config_id.as_ref()),
            ),
            uri: Arc::clone(&context.matched_uri),
            host: Arc::clone(&context.matched_host),
            captures: context.params.clone(),
            route,
        }
    }
}

impl Explanation {
    /// Notes where the request leads, and what a node is asked unless a plugin has `ended` it.
    fn leads(
        &mut self,
        runtime: &Runtime,
        upstream: &Arc<UpstreamRuntime>,
        context: &mut Context,
        ended: bool,
    ) {
        let usable = runtime.usable(upstream);
        if !Arc::ptr_eq(usable, upstream) {
            let (from, to) = (&upstream.key, &usable.key);
            self.notes.push(format!(
                "{from} has no usable node: its fallback {to} is taken"
            ));
        }
        if let Some(lookup) = usable.config.lookup() {
            self.notes.push(format!(
                "nodes come from discovery: {}, service {}; {} are known here",
                lookup.kind,
                lookup.service_name,
                usable.nodes().len()
            ));
        }
        if usable.nodes().is_empty() {
            self.reason = Some(Reason::NoNodes);
        } else if !ended {
            self.outgoing = Some(Outgoing::of(context, usable));
        }
        self.upstream = Some(Arc::clone(usable));
    }
}
