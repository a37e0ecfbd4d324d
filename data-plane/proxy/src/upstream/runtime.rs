//! An upstream, compiled: nodes, balancer, limits. Immutable but for what is measured.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_model::endpoint::{Endpoints, Lookup};
use weir_model::upstream::{Balancer as Kind, LocalityMode, Upstream, WhenAllUnhealthy};
use weir_model::{Key, Problem};
use weir_plugin_api::{Context, Host, Living};

use super::balancer::{Balancer, Choice, Chosen};
use super::health::hub::Hub;
use super::health::node::Builder;
use super::health::target::Target;
use super::load::Load;
use super::locality::Home;
use super::names::Names;
use super::node::{InFlight, NodeRuntime, milliseconds};
use super::parts::{balancer_key, compile_node, retries, serve, sessions};
use super::selection::{self, Condition, Policy, Selection, Standing};
use super::transport::Transport;
use crate::tls::node::FindSsl;

/// Where requests of a route go.
#[derive(Debug)]
pub struct UpstreamRuntime {
    /// The resource that carries it: an upstream, or the route or service it is inline in.
    pub key: Key,
    /// Protocol, limits, pool and what `Host` the nodes see.
    pub config: Upstream,
    /// How nodes are spoken to; `None` when the scheme is not HTTP.
    pub transport: Option<Transport>,
    /// What it bears at once.
    pub load: Load,
    nodes: Vec<NodeRuntime>,
    names: Option<Box<Names>>,
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
        let nodes = config
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let port = node.port.or_else(|| config.scheme.default_port());
                // A socket has no port.
                let port = port.or_else(|| node.socket_path().map(|_| 0));
                let port = port.ok_or_else(|| {
                    Problem::new(format!("nodes[{index}].port"), "expected a port, got none")
                })?;
                Ok(compile_node(
                    key,
                    &config,
                    node,
                    port,
                    health.as_ref(),
                    around,
                ))
            })
            .collect::<Result<Vec<_>, Problem>>()?;
        let (served, members) = serve(&config, home);
        let balancer = living.get_or_init(&balancer_key(key, &config, &members), || {
            let table = sessions(key, &config, living);
            Balancer::new(&config.balancer, &nodes, &members, &table)
        });
        let retries = retries(&config);
        let places = nodes.iter().map(|node| node.label(""));
        let load = Load::compile(key, &config, retries, places, living);
        let locality = config.locality.as_ref();
        let upstream = Self {
            load,
            key: key.clone(),
            policy: Policy {
                when_all_unhealthy: config.when_all_unhealthy,
                slow_start: config.slow_start,
                locality: locality.is_some_and(|locality| locality.mode != LocalityMode::Off)
                    && home.is_known(),
            },
            checked: health.map(|health| Checked {
                kind: health.kind(),
                hub: Hub::of(living),
            }),
            config,
            transport,
            nodes,
            names,
            served,
            balancer,
            selection: ArcSwap::from_pointee(Selection::default()),
        };
        upstream.select(now_ms);
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
        let mut config = self.config.clone();
        if let Some(names) = &self.names {
            config.nodes = names.written().to_vec();
        }
        config
    }

    /// Whether nodes are chosen by what stands in the body of the request.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.config.balancer.reads_body()
    }

    /// Kind of its health check, if it has one.
    #[must_use]
    pub fn check_kind(&self) -> Option<&'static str> {
        self.checked.as_ref().map(|checked| checked.kind)
    }

    /// Further tries after the first one.
    #[must_use]
    pub fn retries(&self) -> u32 {
        retries(&self.config)
    }

    /// Whether some node is healthy, or may be tried out: otherwise the fallback is taken.
    #[must_use]
    pub fn is_usable(&self, clock: &dyn Host) -> bool {
        if !self.balancer.is_usable() {
            return false;
        }
        if self.checked.is_none() {
            return true;
        }
        let now_ms = milliseconds(clock.monotonic());
        let selection = self.selection(now_ms);
        let may_try = |node: &usize| {
            let health = self.nodes.get(*node).and_then(|node| node.health.as_ref());
            health.is_some_and(|health| health.trial_is_free(now_ms))
        };
        !selection.all_unhealthy || selection.due.iter().any(may_try)
    }

    /// The next node for this request, counted until the second part is dropped; `None` when none
    /// can be picked. The only node of an upstream is taken again and again.
    #[must_use]
    pub fn pick(&self, context: &Context, tried: &[usize]) -> Option<(Picked, InFlight)> {
        if !self.balancer.is_usable() {
            return None;
        }
        let clock = &context.host;
        let alone = self.nodes.len() == 1;
        if alone && self.checked.is_none() {
            return self.begin(Chosen::node(0), None, false, clock);
        }
        let choice = Choice {
            variables: context,
            tried,
            random: clock.random(),
            now_ms: milliseconds(clock.monotonic()),
        };
        let selection = self.selection(choice.now_ms);
        if let Some((node, target)) = self.trial(&selection, &choice) {
            return self.begin(Chosen::node(node), Some(target), true, clock);
        }
        let fails = self.policy.when_all_unhealthy == WhenAllUnhealthy::Fail;
        let chosen = if alone && !(fails && selection.all_unhealthy) {
            Chosen::node(0)
        } else {
            self.balancer.pick(&self.nodes, &selection, &choice)?
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
        let (state, balancer) = (Arc::clone(&node.state), Arc::clone(&self.balancer));
        let clock = Arc::clone(clock);
        let in_flight = InFlight::begin(state, balancer, chosen, target, trial, clock);
        Some((picked, in_flight))
    }

    /// What may be picked now.
    fn selection(&self, now_ms: u64) -> arc_swap::Guard<Arc<Selection>> {
        let selection = self.selection.load();
        let flips = self
            .checked
            .as_ref()
            .map_or(0, |checked| checked.hub.flips());
        if selection.flips == flips && now_ms < selection.until_ms {
            return selection;
        }
        self.select(now_ms);
        self.selection.load()
    }

    fn select(&self, now_ms: u64) {
        // Read before the states: a flip in between makes the selection old, not wrong.
        let flips = self
            .checked
            .as_ref()
            .map_or(0, |checked| checked.hub.flips());
        let condition = |node: &NodeRuntime| Condition {
            usable: node.health.as_ref().is_none_or(|target| target.is_usable()),
            in_use_since_ms: node.in_use_since_ms(),
            trial_at_ms: node
                .health
                .as_ref()
                .and_then(|target| target.ejected_until_ms()),
        };
        let nodes: Vec<(usize, Standing, Condition)> = self
            .served
            .iter()
            .filter_map(|(at, standing)| Some((*at, *standing, condition(self.nodes.get(*at)?))))
            .collect();
        let turns = matches!(
            self.config.balancer,
            Kind::RoundRobin | Kind::Chained { .. }
        );
        let mut selection =
            selection::select(&nodes, self.nodes.len(), &self.policy, turns, now_ms);
        selection.flips = flips;
        self.selection.store(Arc::new(selection));
    }
}
