//! The health of all checked nodes as it is now.

use weir_model::Key;
use weir_proto::health::{Counters, NodeHealth, UpstreamHealth};
use weir_proxy::gateway::Gateway;
use weir_proxy::runtime::{Environment, Runtime};
use weir_proxy::upstream::health::checkers::Checked;
use weir_proxy::upstream::health::target::Target;
use weir_proxy::upstream::node::NodeRuntime;

use super::{MAX_NODES_OF_ALL, MAX_NODES_OF_ONE, Upstreams};

/// Collects; bounded by [`MAX_NODES_OF_ALL`].
pub(crate) fn collect(gateway: &Gateway, environment: &dyn Environment) -> Upstreams {
    let checks = gateway.checkers().checks();
    let runtime = gateway.runtime();
    let clock = Clock::of(environment);
    let mut room = MAX_NODES_OF_ALL;
    let mut upstreams = Upstreams::new();
    for (key, checked) in checks.iter() {
        let health = upstream(key, checked, runtime.as_deref(), &clock);
        let size = health.nodes.len().max(1);
        if size > room {
            break;
        }
        room -= size;
        upstreams.insert(key.clone(), health);
    }
    upstreams
}

/// Both clocks at one moment, in milliseconds.
struct Clock {
    unix: u64,
    monotonic: u64,
}

impl Clock {
    fn of(environment: &dyn Environment) -> Self {
        let monotonic = environment.monotonic().as_millis();
        Self {
            unix: environment.unix_ms(),
            monotonic: u64::try_from(monotonic).unwrap_or(u64::MAX),
        }
    }
}

fn upstream(
    key: &Key,
    checked: &Checked,
    runtime: Option<&Runtime>,
    clock: &Clock,
) -> UpstreamHealth {
    let upstream = &checked.upstream;
    let all_unhealthy = upstream.is_all_unhealthy(clock.monotonic);
    let fallback = runtime
        .filter(|_| all_unhealthy)
        .map(|runtime| &runtime.usable(upstream).key)
        .filter(|taken| *taken != key)
        .map(|taken| taken.id.to_string());
    let window = upstream.config.slow_start.as_ref();
    let window_ms = window.map_or(0, |slow| {
        u64::try_from(slow.window.as_millis()).unwrap_or(u64::MAX)
    });
    let mut nodes = Vec::new();
    let mut left_out = 0;
    for node in upstream.nodes() {
        let Some(target) = &node.health else { continue };
        if nodes.len() < MAX_NODES_OF_ONE {
            let growing = slow_start(node, target, window_ms, clock);
            nodes.push(one(target, growing));
        } else {
            left_out += 1;
        }
    }
    UpstreamHealth {
        key: Some(key.into()),
        check: checked.kind.to_owned(),
        nodes,
        left_out,
        all_unhealthy,
        fallback: fallback.unwrap_or_default(),
    }
}

/// Until when the share of a node grows, in milliseconds since the epoch; 0 when it does not.
fn slow_start(node: &NodeRuntime, target: &Target, window_ms: u64, clock: &Clock) -> u64 {
    let until = node.in_use_since_ms().saturating_add(window_ms);
    if window_ms == 0 || until <= clock.monotonic || !target.is_usable() {
        return 0;
    }
    clock.unix.saturating_add(until - clock.monotonic)
}

fn one(target: &Target, slow_start_until_ms: u64) -> NodeHealth {
    let shown = target.shown();
    let counters = shown.state.counters;
    let probed = target.probed_address().map(|address| address.port());
    NodeHealth {
        host: shown.place.hostname.to_string(),
        ip: shown.place.ip.to_string(),
        port: u32::from(shown.place.port),
        probed_port: probed
            .filter(|port| *port != shown.place.port)
            .map_or(0, u32::from),
        status: shown.state.status.as_str().to_owned(),
        since_ms: shown.since_ms,
        reason: shown.reason,
        last_error: shown.last_error,
        last_error_ms: shown.last_error_ms,
        counters: Some(Counters {
            successes: u32::from(counters.success),
            http_failures: u32::from(counters.http_failure),
            tcp_failures: u32::from(counters.tcp_failure),
            timeouts: u32::from(counters.timeout),
        }),
        ejected_until_ms: shown.ejected_until_ms.map_or(0, |until| until.max(1)),
        slow_start_until_ms,
    }
}
