//! The metrics of a control node: one typed table, encoded on demand.

use std::sync::atomic::AtomicU64;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use weir_raft::Role;

use crate::Shared;
use crate::registry;
use crate::sync::Counters;

type Number = Gauge<u64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleName {
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentName {
    agent: String,
}

/// Every metric of the node.
pub(crate) struct Metrics {
    registry: Registry,
    admin_requests: Family<Code, Counter>,
    role: Family<RoleName, Number>,
    leader: Number,
    term: Number,
    last_log: Number,
    committed: Number,
    applied: Number,
    purged: Number,
    members: Number,
    revision: Number,
    resources: Number,
    agents_connected: Number,
    agent_lag: Family<AgentName, Number>,
    /// What happens between this node and registries.
    pub(crate) discovery: registry::Counters,
    lookups: registry::Gauges,
    /// What happens on the streams to agents.
    pub(crate) sync: Counters,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("weir_control"),
            admin_requests: Family::default(),
            role: Family::default(),
            leader: Number::default(),
            term: Number::default(),
            last_log: Number::default(),
            committed: Number::default(),
            applied: Number::default(),
            purged: Number::default(),
            members: Number::default(),
            revision: Number::default(),
            resources: Number::default(),
            agents_connected: Number::default(),
            agent_lag: Family::default(),
            discovery: registry::Counters::default(),
            lookups: registry::Gauges::default(),
            sync: Counters::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        self.sync.register(registry);
        self.discovery.register(registry);
        self.lookups.register(registry);
        registry.register(
            "admin_requests",
            "Requests to the REST Admin API by status code",
            self.admin_requests.clone(),
        );
        registry.register(
            "raft_role",
            "1 for the role of this node",
            self.role.clone(),
        );
        registry.register(
            "agent_lag",
            "Revisions that a connected agent is behind",
            self.agent_lag.clone(),
        );
        let numbers = [
            (
                "raft_leader_id",
                "Node that leads, 0 when none is known",
                &self.leader,
            ),
            ("raft_term", "Term", &self.term),
            ("raft_last_log_index", "Last log entry", &self.last_log),
            (
                "raft_committed_index",
                "Last entry known to be committed",
                &self.committed,
            ),
            ("raft_applied_index", "Last entry applied", &self.applied),
            (
                "raft_purged_index",
                "Entry up to which the log is purged",
                &self.purged,
            ),
            ("raft_members", "Members of the cluster", &self.members),
            (
                "revision",
                "Revision of the last change of resources",
                &self.revision,
            ),
            ("resources", "Resources stored", &self.resources),
            (
                "agents_connected",
                "Agents with a stream to this node",
                &self.agents_connected,
            ),
        ];
        for (name, help, gauge) in numbers {
            registry.register(name, help, gauge.clone());
        }
    }

    /// Counts one answer of the REST Admin API.
    pub(crate) fn admin_request(&self, status: StatusCode) {
        let code = Code {
            code: status.as_u16(),
        };
        self.admin_requests.get_or_create(&code).inc();
    }

    /// The text of a scrape: gauges as they are now.
    pub(crate) fn scrape(&self, shared: &Shared) -> String {
        let status = shared.raft.status();
        let state = shared.raft.stale();
        let all = [
            Role::Leader,
            Role::Follower,
            Role::Learner,
            Role::Candidate,
            Role::Standby,
        ];
        for role in all {
            let name = RoleName {
                role: role.as_str(),
            };
            self.role
                .get_or_create(&name)
                .set(u64::from(role == status.role));
        }
        self.leader.set(status.leader_id.unwrap_or(0));
        self.term.set(status.term);
        self.last_log.set(status.last_log);
        self.committed.set(status.committed);
        self.applied.set(status.applied);
        self.purged.set(status.purged);
        self.members.set(status.members.len() as u64);
        self.revision.set(state.set.revision);
        self.resources.set(state.set.resources.len() as u64);
        self.agents(shared, state.set.revision);
        let lookups = shared.discovery.table.records();
        self.lookups.set(&lookups, Shared::now_ms());
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        text
    }

    fn agents(&self, shared: &Shared, revision: u64) {
        let agents = shared.agents.list(revision);
        self.agents_connected.set(shared.agents.connected() as u64);
        // Agents that left must not linger.
        self.agent_lag.clear();
        for agent in agents.into_iter().filter(|agent| agent.connected) {
            let name = AgentName { agent: agent.name };
            self.agent_lag.get_or_create(&name).set(agent.lag);
        }
    }
}
