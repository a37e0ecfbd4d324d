//! An upstream, compiled: nodes, balancer, limits. Immutable but for what is measured.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_model::endpoint::{Endpoints, Lookup};
use weir_model::field::variable::Variables;
use weir_model::upstream::{Balancer as Kind, LocalityMode, Upstream, WhenAllUnhealthy};
use weir_model::{Key, Problem};
use weir_plugin_api::{Context, Host, Living};

use super::alike::Alike;
use super::balancer::{Balancer, Choice, Chosen};
use super::health::hub::Hub;
use super::health::node::Builder;
use super::health::target::Target;
use super::load::Load;
use super::locality::Home;
use super::names::Names;
use super::node::{InFlight, NodeRuntime, milliseconds};
use super::parts::{balancer_key, compile_node, is_plain, recall, retries, serve, sessions};
use super::selection::{self, Condition, Policy, Selection, Standing};
use super::transport::{Protocol, Transport};
use crate::tls::node::FindSsl;

/// Where requests of a route go.
#[derive(Debug)]
pub struct UpstreamRuntime {
    /// The resource that carries it: an upstream, or the route or service it is inline in.
    pub key: Key,
    /// Protocol, limits, pool and what `Host` the nodes see. Its nodes may be left out: see
    /// [`UpstreamRuntime::written`].
    pub config: Arc<Upstream>,
    /// How nodes are spoken to.
    pub transport: Arc<Transport>,
    /// What it bears at once.
    pub load: Load,
    nodes: Box<[NodeRuntime]>,
    names: Option<Box<Names>>,
    /// `None` where there is only one node, which is taken again and again.
    choosing: Option<Box<Choosing>>,
}

/// How one of several nodes is chosen, or one that may be unhealthy.
#[derive(Debug)]
struct Choosing {
    /// The nodes that are served at all, and where they stand.
    served: Vec<(usize, Standing)>,
    policy: Policy,
    balancer: Arc<Balancer>,
    checked: Option<Checked>,
    selection: ArcSwap<Selection>,
}

#[derive(Debug)]
struct Checked {
    kind: &'static str,
    hub: Arc<Hub>,
}

/// What an upstream finds around it.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// State that outlives runtimes.
    pub living: &'a Living,
    /// Finds the ssl objects that it names.
    pub ssl: FindSsl<'a>,
    /// Where the agent is.
    pub home: &'a Home,
    /// The known addresses of names.
    pub addresses: &'a Endpoints,
    /// What upstreams have in common.
    pub alike: &'a Alike,
    /// Milliseconds on a clock that never goes back.
    pub now_ms: u64,
}

/// A node for one try.
#[derive(Debug)]
pub struct Picked {
    /// Position among the nodes of the upstream.
    pub index: usize,
    /// IP address (without brackets), host name, or `unix:` and a path.
    pub host: Arc<str>,
    /// The address to take, when it is decided already.
    pub address: Option<IpAddr>,
    /// Port.
    pub port: u16,
    /// `Host` for `pass_host: node`: with the port unless it is the scheme's own.
    pub authority: Arc<str>,
}

impl UpstreamRuntime {
    /// Compiles an upstream. What is measured about its nodes, their health, and where its balancer
    /// stands, is found again in `living`.
    ///
    /// # Errors
    /// What cannot work, with its path.
    pub fn compile(
        key: &Key,
        mut config: Upstream,
        around: Surroundings<'_>,
    ) -> Result<Self, Problem> {
        let Surroundings {
            living,
            home,
            now_ms,
            ..
        } = around;
        let names = Names::expand(&mut config, around.addresses).map(Box::new);
        let transport = Transport::compile(&config, around.ssl, living)?;
        let health = Builder::new(&config, around.ssl, living)?;
        let nodes = config.nodes.iter().enumerate();
        let nodes = nodes.map(|(index, node)| compile_node(index, &config, node));
        let mut nodes = nodes.collect::<Result<Box<[_]>, Problem>>()?;
        let (served, members) = serve(&config, home);
        let plain = health.is_none() && is_plain(&config, &served);
        let choosing = (!plain).then(|| {
            for node in &mut nodes {
                recall(node, key, health.as_ref(), around);
            }
            let balancer = living.get_or_init(&balancer_key(key, &config, &members), || {
                let table = sessions(key, &config, living);
                Balancer::new(&config.balancer, &nodes, &members, &table)
            });
            let locality = config.locality.as_ref();
            Box::new(Choosing {
                served,
                policy: Policy {
                    when_all_unhealthy: config.when_all_unhealthy,
                    slow_start: config.slow_start,
                    locality: locality.is_some_and(|locality| locality.mode != LocalityMode::Off)
                        && home.is_known(),
                },
                balancer,
                checked: health.as_ref().map(|health| Checked {
                    kind: health.kind(),
                    hub: Hub::of(living),
                }),
                selection: ArcSwap::from_pointee(Selection::default()),
            })
        });
        let retries = retries(&config, nodes.len());
        let places = nodes.iter().map(|node| node.label(""));
        let load = Load::compile(key, &config, retries, places, living);
        // What is left then is alike in many upstreams, and kept once.
        let alike = plain && config.nodes.iter().all(|node| node.metadata.is_empty());
        let config = if alike {
            config.nodes = Vec::new();
            around.alike.settings.of(config)
        } else {
            Arc::new(config)
        };
        let upstream = Self {
            key: key.clone(),
            config,
            transport: around.alike.transports.of(transport),
            load,
            nodes,
            names,
            choosing,
        };
        if let Some(choosing) = &upstream.choosing {
            upstream.select(choosing, now_ms);
        }
        Ok(upstream)
    }

    /// The nodes, in the order of the configuration.
    #[must_use]
    pub fn nodes(&self) -> &[NodeRuntime] {
        &self.nodes
    }

    /// The names among its nodes.
    #[must_use]
    pub fn names(&self) -> &[Lookup] {
        self.names.as_ref().map_or(&[], |names| &names.lookups)
    }

    /// Its configuration, with names where addresses took their place.
    #[must_use]
    pub fn written(&self) -> Upstream {
        let mut config = Upstream::clone(&self.config);
        if let Some(names) = &self.names {
            config.nodes = names.written().to_vec();
        } else if config.nodes.is_empty() {
            config.nodes = self.nodes.iter().map(NodeRuntime::written).collect();
        }
        config
    }

    /// How requests are sent to nodes; `None` when nodes do not speak HTTP.
    #[must_use]
    pub fn http(&self) -> Option<&Arc<Transport>> {
        Some(&self.transport).filter(|transport| transport.protocol != Protocol::Raw)
    }

    /// Whether nodes are chosen by what stands in the body of the request.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.config.balancer.reads_body()
    }

    /// Kind of its health check, if it has one.
    #[must_use]
    pub fn check_kind(&self) -> Option<&'static str> {
        let checked = self.choosing.as_ref()?.checked.as_ref()?;
        Some(checked.kind)
    }

    /// Further tries after the first one.
    #[must_use]
    pub fn retries(&self) -> u32 {
        retries(&self.config, self.nodes.len())
    }

    /// Whether some node is healthy, or may be tried out: otherwise the fallback is taken.
    #[must_use]
    pub fn is_usable(&self, clock: &dyn Host) -> bool {
        let Some(choosing) = &self.choosing else {
            return true;
        };
        if !choosing.balancer.is_usable() {
            return false;
        }
        if choosing.checked.is_none() {
            return true;
        }
        let now_ms = milliseconds(clock.monotonic());
        let selection = self.selection(choosing, now_ms);
        let may_try = |node: &usize| {
            let health = self.nodes.get(*node).and_then(|node| node.health.as_ref());
            health.is_some_and(|health| health.trial_is_free(now_ms))
        };
        !selection.all_unhealthy || selection.due.iter().any(may_try)
    }

    /// Whether it has checks, and none of its nodes is healthy.
    #[must_use]
    pub fn is_all_unhealthy(&self, now_ms: u64) -> bool {
        let choosing = self.choosing.as_ref();
        choosing.is_some_and(|choosing| {
            choosing.checked.is_some() && self.selection(choosing, now_ms).all_unhealthy
        })
    }

    /// The next node for this request, counted until the second part is dropped; `None` when none
    /// can be picked. The only node of an upstream is taken again and again.
    #[must_use]
    pub fn pick(&self, context: &Context, tried: &[usize]) -> Option<(Picked, InFlight)> {
        self.pick_by(context, &context.host, tried)
    }

    /// [`UpstreamRuntime::pick`] for anything that has variables.
    #[must_use]
    pub fn pick_by(
        &self,
        variables: &dyn Variables,
        clock: &Arc<dyn Host>,
        tried: &[usize],
    ) -> Option<(Picked, InFlight)> {
        let Some(choosing) = &self.choosing else {
            return self.begin(Chosen::node(0), None, false, clock);
        };
        if !choosing.balancer.is_usable() {
            return None;
        }
        let alone = self.nodes.len() == 1;
        if alone && choosing.checked.is_none() {
            return self.begin(Chosen::node(0), None, false, clock);
        }
        let choice = Choice {
            variables,
            tried,
            random: clock.random(),
            now_ms: milliseconds(clock.monotonic()),
        };
        let selection = self.selection(choosing, choice.now_ms);
        if let Some((node, target)) = self.trial(&selection, &choice) {
            return self.begin(Chosen::node(node), Some(target), true, clock);
        }
        let fails = choosing.policy.when_all_unhealthy == WhenAllUnhealthy::Fail;
        let chosen = if alone && !(fails && selection.all_unhealthy) {
            Chosen::node(0)
        } else {
            choosing.balancer.pick(&self.nodes, &selection, &choice)?
        };
        let target = self.nodes.get(chosen.node)?.health.clone();
        self.begin(chosen, target, false, clock)
    }

    /// An ejected node whose time is over, for the one request that tries it out.
    fn trial(&self, selection: &Selection, choice: &Choice<'_>) -> Option<(usize, Arc<Target>)> {
        let due = selection
            .due
            .iter()
            .filter(|node| !choice.tried.contains(node));
        due.copied().find_map(|node| {
            let target = self.nodes.get(node)?.health.as_ref()?;
            let begun = target.begin_trial(choice.now_ms);
            begun.then(|| (node, Arc::clone(target)))
        })
    }

    fn begin(
        &self,
        chosen: Chosen,
        target: Option<Arc<Target>>,
        trial: bool,
        clock: &Arc<dyn Host>,
    ) -> Option<(Picked, InFlight)> {
        let node = self.nodes.get(chosen.node)?;
        let picked = Picked {
            index: chosen.node,
            host: Arc::clone(&node.host),
            address: node.ip,
            port: node.port,
            authority: Arc::clone(&node.authority),
        };
        let balancer = self.choosing.as_ref();
        let balancer = balancer.map(|choosing| Arc::clone(&choosing.balancer));
        let state = node.state.clone();
        let clock = Arc::clone(clock);
        let in_flight = InFlight::begin(state, balancer, chosen, target, trial, clock);
        Some((picked, in_flight))
    }

    /// What may be picked now.
    fn selection(&self, choosing: &Choosing, now_ms: u64) -> arc_swap::Guard<Arc<Selection>> {
        let selection = choosing.selection.load();
        if selection.flips == choosing.flips() && now_ms < selection.until_ms {
            return selection;
        }
        self.select(choosing, now_ms);
        choosing.selection.load()
    }

    fn select(&self, choosing: &Choosing, now_ms: u64) {
        // Read before the states: a flip in between makes the selection old, not wrong.
        let flips = choosing.flips();
        let condition = |node: &NodeRuntime| Condition {
            usable: node.health.as_ref().is_none_or(|target| target.is_usable()),
            in_use_since_ms: node.in_use_since_ms(),
            trial_at_ms: node
                .health
                .as_ref()
                .and_then(|target| target.ejected_until_ms()),
        };
        let served = choosing.served.iter();
        let nodes: Vec<(usize, Standing, Condition)> = served
            .filter_map(|(at, standing)| Some((*at, *standing, condition(self.nodes.get(*at)?))))
            .collect();
        let turns = matches!(
            self.config.balancer,
            Kind::RoundRobin | Kind::Chained { .. }
        );
        let total = self.nodes.len();
        let mut selection = selection::select(&nodes, total, &choosing.policy, turns, now_ms);
        selection.flips = flips;
        choosing.selection.store(Arc::new(selection));
    }
}

impl Choosing {
    fn flips(&self) -> u64 {
        let checked = self.checked.as_ref();
        checked.map_or(0, |checked| checked.hub.flips())
    }
}
