//! Keeps exactly the probers that the newest runtime wants: one for each target, however many
//! upstreams share it. Runs in the background; requests never wait for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use weir_model::Key;
use weir_plugin_api::Living;

use super::hub::Hub;
use super::prober;
use super::target::Target;
use crate::runtime::Runtime;
use crate::upstream::balancer::Totals;
use crate::upstream::runtime::UpstreamRuntime;
use crate::worker::published::Published;

/// Upstreams that the log names for a node.
const USERS: usize = 3;

/// The checked nodes of one upstream.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Kind of check: `http`, `https` or `tcp`.
    pub kind: &'static str,
    /// Its nodes that have an address.
    pub nodes: Vec<Arc<Target>>,
    /// The upstream.
    pub upstream: Arc<UpstreamRuntime>,
}

/// The checked upstreams of the newest runtime, by the resource that carries them.
pub type Checks = BTreeMap<Key, Checked>;

/// The health checks of an agent.
pub struct Checkers {
    /// Shared by all of them.
    pub hub: Arc<Hub>,
    sessions: Arc<Totals>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    checks: Mutex<Arc<Checks>>,
    probed: Mutex<Vec<SocketAddr>>,
}

impl Checkers {
    /// Starts the supervisor on `background`: it checks what the published runtime wants, as long
    /// as somebody publishes.
    #[must_use]
    pub fn start(living: &Living, published: &Arc<Published>, background: &Handle) -> Self {
        let changed = published.subscribe();
        let shared = Arc::new(Shared::default());
        let hub = Hub::of(living);
        let supervisor = Supervisor {
            hub: Arc::clone(&hub),
            shared: Arc::clone(&shared),
            published: Arc::downgrade(published),
            probers: HashMap::new(),
            tasks: JoinSet::new(),
        };
        background.spawn(supervisor.run(changed));
        Self {
            hub,
            sessions: Totals::of(living),
            shared,
        }
    }

    /// The checked upstreams; a moment behind the newest runtime.
    #[must_use]
    pub fn checks(&self) -> Arc<Checks> {
        let checks = self.shared.checks.lock();
        Arc::clone(&checks.unwrap_or_else(PoisonError::into_inner))
    }

    /// A number that is another one when a state has moved, or other nodes are checked.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.hub.changes()
    }

    /// Appends the metrics of health checks and of sessions in the Prometheus text format.
    pub fn write_text(&self, out: &mut String) {
        let counts = self.hub.counts();
        let flips = [
            ("{to=\"healthy\"}".to_owned(), counts.to_healthy),
            ("{to=\"unhealthy\"}".to_owned(), counts.to_unhealthy),
        ];
        let probes = counts.probes.iter();
        let probes: Vec<(String, u64)> = probes
            .map(|(result, count)| (format!("{{result=\"{result}\"}}"), *count))
            .collect();
        let plain = |value: u64| vec![(String::new(), value)];
        let probers = self.probed().len() as u64;
        let (size, evictions) = (self.sessions.size(), self.sessions.evictions());
        for (name, kind, help, samples) in [
            (
                "health_changes_total",
                "counter",
                "Nodes that became healthy or unhealthy.",
                flips.to_vec(),
            ),
            (
                "health_probes_total",
                "counter",
                "Probes by result.",
                probes,
            ),
            (
                "health_probers",
                "gauge",
                "Addresses that are probed.",
                plain(probers),
            ),
            (
                "sessions",
                "gauge",
                "Sessions that balancers remember.",
                plain(size),
            ),
            (
                "session_evictions_total",
                "counter",
                "Sessions forgotten for lack of room.",
                plain(evictions),
            ),
        ] {
            // Writing into memory cannot fail.
            let _ = writeln!(
                out,
                "# HELP weir_proxy_{name} {help}\n# TYPE weir_proxy_{name} {kind}"
            );
            for (labels, value) in samples {
                let _ = writeln!(out, "weir_proxy_{name}{labels} {value}");
            }
        }
    }

    /// The addresses that are probed, in order; several probers of one address (with different
    /// checks) count each.
    #[must_use]
    pub fn probed(&self) -> Vec<SocketAddr> {
        let probed = self.shared.probed.lock();
        probed.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Identity of a shared value, which the holder keeps alive.
type Pointer = usize;

fn pointer<T>(value: &Arc<T>) -> Pointer {
    Arc::as_ptr(value) as Pointer
}

struct Supervisor {
    hub: Arc<Hub>,
    shared: Arc<Shared>,
    published: Weak<Published>,
    probers: HashMap<Pointer, (Arc<Target>, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Supervisor {
    async fn run(mut self, mut newest: watch::Receiver<()>) {
        loop {
            let changed = tokio::select! {
                changed = newest.changed() => changed,
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "a health check panicked");
                    }
                    continue;
                }
            };
            if changed.is_err() {
                // The gateway is gone; dropping the tasks ends them.
                return;
            }
            let published = self.published.upgrade();
            if let Some(runtime) = published.and_then(|published| published.runtime()) {
                self.want(&runtime);
            }
        }
    }

    fn want(&mut self, runtime: &Runtime) {
        let environment = runtime.environment();
        let checks = collect(runtime);
        let mut users: HashMap<Pointer, (Arc<Target>, Vec<&Key>)> = HashMap::new();
        for (key, checked) in &checks {
            for target in &checked.nodes {
                let entry = users.entry(pointer(target));
                let (_, users) = entry.or_insert_with(|| (Arc::clone(target), Vec::new()));
                if users.last() != Some(&key) {
                    users.push(key);
                }
            }
        }
        self.probers
            .retain(|pointer, (_, task)| keep(users.contains_key(pointer), task));
        for (pointer, (target, users)) in users {
            target.used_by(listed(&users), environment.unix_ms());
            if target.probed_address().is_some() {
                let tasks = &mut self.tasks;
                self.probers.entry(pointer).or_insert_with(|| {
                    let task = prober::run(Arc::clone(&target), Arc::clone(&environment));
                    (target, tasks.spawn(task))
                });
            }
        }
        self.show(checks);
    }

    fn show(&self, checks: Checks) {
        let targets = self.probers.values().map(|(target, _)| target);
        let mut probed: Vec<SocketAddr> = targets
            .filter_map(|target| target.probed_address())
            .collect();
        probed.sort_unstable();
        *self
            .shared
            .probed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = probed;
        *self
            .shared
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(checks);
        self.hub.changed();
    }
}

fn keep(wanted: bool, task: &AbortHandle) -> bool {
    if !wanted {
        task.abort();
    }
    wanted
}

/// The checked upstreams of a runtime.
fn collect(runtime: &Runtime) -> Checks {
    let nodes = |upstream: &UpstreamRuntime| {
        let nodes = upstream.nodes().iter();
        nodes.filter_map(|node| node.health.clone()).collect()
    };
    let checked = runtime.checked_upstreams();
    checked
        .filter_map(|(key, upstream)| {
            let kind = upstream.check_kind()?;
            let nodes = nodes(upstream);
            let checked = Checked {
                kind,
                nodes,
                upstream: Arc::clone(upstream),
            };
            Some((key.clone(), checked))
        })
        .collect()
}

fn listed(users: &[&Key]) -> Arc<str> {
    let mut text = String::new();
    for (count, key) in users.iter().take(USERS).enumerate() {
        // Writing into memory cannot fail.
        let _ = write!(text, "{}{key}", if count > 0 { ", " } else { "" });
    }
    if users.len() > USERS {
        let _ = write!(text, " and {} more", users.len() - USERS);
    }
    text.into()
}
