//! Health checks: who is probed, with what, and who gets requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use serde_json::{Value, json};
use weir_model::{Key, Resource, ResourceSet};
use weir_plugin_api::Living;
use weir_plugin_api::outside::Unreachable;
use weir_proxy::gateway::{Gateway, GatewayConfig};
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, SystemEnvironment, compile};

use super::client::{Client, get};
use super::origin::{Origin, closed_address, ok};
use super::setup::{config, eventually, http, with};

/// A gateway whose configuration changes step by step, as an agent's does.
struct Bed {
    gateway: Gateway,
    env: CompileEnv,
    set: ResourceSet,
}

impl Bed {
    fn new(documents: &[(&str, Value)]) -> Self {
        let living = Living::default();
        let config = GatewayConfig {
            workers: NonZeroUsize::new(2).unwrap(),
            ..config()
        };
        let mut bed = Self {
            gateway: Gateway::start(config, living.clone(), None).unwrap(),
            env: CompileEnv {
                endpoints: weir_model::endpoint::Endpoints::default(),
                plugins: &super::plugins::TABLE,
                living,
                settings: RouterSettings::default(),
                environment: Arc::new(SystemEnvironment::new("test")),
                outside: Arc::new(Unreachable),
            },
            set: ResourceSet::default(),
        };
        for (key, spec) in documents {
            bed.put(key, spec.clone());
        }
        bed.publish();
        bed
    }

    fn put(&mut self, key: &str, spec: Value) {
        self.set.revision += 1;
        let key: Key = key.parse().unwrap();
        let resource = Resource {
            key: key.clone(),
            spec: Arc::new(spec),
            created: self.set.revision,
            modified: self.set.revision,
            create_time: 0,
            update_time: 0,
            expires_at_ms: None,
        };
        self.set.resources.insert(key, Arc::new(resource));
    }

    fn publish(&self) {
        let previous = self.gateway.runtime();
        let (runtime, report) = compile(&self.set, previous.as_deref(), &self.env);
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        self.gateway.publish(Arc::new(runtime));
    }

    fn change(&mut self, key: &str, spec: Value) {
        self.put(key, spec);
        self.publish();
    }

    /// State of each checked node of a resource, by port.
    fn states(&self, key: &str) -> BTreeMap<u16, &'static str> {
        let checks = self.gateway.checkers().checks();
        let Some(checked) = checks.get(&key.parse::<Key>().unwrap()) else {
            return BTreeMap::new();
        };
        let targets = checked.nodes.iter();
        targets
            .map(|target| (target.place.port, target.state().status.as_str()))
            .collect()
    }

    fn wait_for(&self, key: &str, port: u16, state: &str) {
        eventually(&format!("{key}: {port} is {state}"), || {
            self.states(key).get(&port) == Some(&state)
        });
    }

    fn ask(&self) -> (u16, String) {
        let answer = Client::connect(http(&self.gateway)).ask(get("/"));
        (answer.status, answer.text().to_owned())
    }
}

/// A node whose health path answers a status that the test can change, and that counts other
/// requests as `text`.
fn origin(text: &'static str) -> (Origin, Arc<AtomicU16>) {
    let health = Arc::new(AtomicU16::new(200));
    let answer = Arc::clone(&health);
    let origin = Origin::answering(move |request| {
        if request.line.contains("/up") {
            let status = answer.load(Ordering::SeqCst);
            return format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").into_bytes();
        }
        ok(text)
    });
    (origin, health)
}

/// An upstream whose nodes are probed as quickly as can be configured.
fn checked(addresses: &[SocketAddr]) -> Value {
    let nodes: Vec<Value> = addresses
        .iter()
        .map(|address| {
            json!({"host": address.ip().to_string(), "port": address.port(), "weight": 1})
        })
        .collect();
    json!({"nodes": nodes, "checks": {"active": {
        "http_path": "/up", "interval": 1,
        "healthy": {"successes": 1},
        "unhealthy": {"http_failures": 1, "tcp_failures": 1, "timeouts": 1}
    }}})
}

fn route(upstream: &str) -> Value {
    json!({"uri": "/*", "upstream_id": upstream})
}

#[test]
fn an_unhealthy_node_gets_no_request_until_it_is_healthy_again() {
    let [(a, _), (b, health)] = [origin("a"), origin("b")];
    let bed = Bed::new(&[
        ("upstreams/1", checked(&[a.address, b.address])),
        ("routes/1", route("1")),
    ]);
    bed.wait_for("upstreams/1", b.address.port(), "healthy");
    health.store(503, Ordering::SeqCst);
    bed.wait_for("upstreams/1", b.address.port(), "unhealthy");
    for _ in 0..50 {
        assert_eq!(bed.ask(), (200, "a".to_owned()));
    }
    health.store(200, Ordering::SeqCst);
    bed.wait_for("upstreams/1", b.address.port(), "healthy");
    let answers: Vec<String> = (0..20).map(|_| bed.ask().1).collect();
    let count = |text: &str| answers.iter().filter(|answer| *answer == text).count();
    assert_eq!((count("a"), count("b")), (10, 10), "exact shares again");
    let counts = bed.gateway.checkers().hub.counts();
    assert_eq!((counts.to_unhealthy, counts.to_healthy), (1, 1));
}

#[test]
fn probes_need_no_traffic_and_say_what_is_configured() {
    let (node, _) = origin("a");
    let address = node.address;
    let mut upstream = checked(&[address]);
    upstream["checks"]["active"] = json!({
        "http_path": "/up?deep=1", "http_method": "POST", "http_req_body": "ping", "interval": 1,
        "host": "check.test", "req_headers": ["User-Agent: prober", "X-Two: 2"]
    });
    let _bed = Bed::new(&[("upstreams/1", upstream)]);
    eventually("two probes come", || node.seen().len() >= 2);
    assert!(node.connections() >= 2, "each on a connection of its own");
    for seen in node.seen() {
        assert_eq!(seen.line, "POST /up?deep=1 HTTP/1.1");
        let fields = ["connection", "host", "user-agent", "x-two"].map(|wanted| {
            let field = seen
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            field.map(|(_, value)| value.as_str())
        });
        let expected = ["close", "check.test", "prober", "2"].map(Some);
        assert_eq!(fields, expected, "{:?}", seen.headers);
    }
}

#[test]
fn a_node_that_takes_no_connection_or_too_long_is_unhealthy_for_that_reason() {
    let silent = Origin::raw(|peer| {
        let _ = peer.read_head();
        let _ = peer.read_head();
    });
    let garbage = Origin::raw(|peer| {
        let _ = peer.read_head();
        peer.write("SSH-2.0-nothing\r\n");
    });
    let closed = closed_address();
    let mut upstream = checked(&[silent.address, garbage.address, closed]);
    upstream["checks"]["active"]["timeout"] = json!(0.2);
    let bed = Bed::new(&[("upstreams/1", upstream)]);
    let reasons = || -> BTreeMap<u16, (String, [u8; 3])> {
        let checks = bed.gateway.checkers().checks();
        let checked = checks.get(&"upstreams/1".parse::<Key>().unwrap());
        let targets = checked.into_iter().flat_map(|checked| &checked.nodes);
        let shown = targets.map(|target| target.shown());
        shown
            .map(|shown| {
                let counters = shown.state.counters;
                let failures = [
                    counters.http_failure,
                    counters.tcp_failure,
                    counters.timeout,
                ];
                (shown.place.port, (shown.reason, failures))
            })
            .collect()
    };
    eventually("all are unhealthy", || {
        reasons().len() == 3 && reasons().values().all(|(reason, _)| !reason.is_empty())
    });
    let reasons = reasons();
    for (address, expected, failures) in [
        (
            silent.address,
            "1 timeouts in probes, last: time limit reached: read",
            [0, 0, 1],
        ),
        (
            garbage.address,
            "1 http failures in probes, last: bad status line \"SSH-2.0-nothing\"",
            [1, 0, 0],
        ),
        (
            closed,
            "1 tcp failures in probes, last: connect: Connection refused (os error 111)",
            [0, 1, 0],
        ),
    ] {
        assert_eq!(reasons[&address.port()], (expected.to_owned(), failures));
    }
}

#[test]
fn a_tcp_check_only_connects_to_the_port_it_names() {
    let asked = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&asked);
    let other = Origin::raw(move |peer| {
        noted.fetch_or(peer.read_head().is_some(), Ordering::SeqCst);
    });
    let mut upstream = checked(&[closed_address()]);
    upstream["checks"]["active"] = json!({"tcp_port": other.address.port(), "interval": 1});
    let bed = Bed::new(&[("upstreams/1", upstream)]);
    eventually("two probes come", || other.connections() >= 2);
    assert_eq!(bed.gateway.checkers().probed(), [other.address]);
    assert!(
        bed.states("upstreams/1")
            .values()
            .all(|state| *state == "healthy")
    );
    assert!(!asked.load(Ordering::SeqCst));
}

#[test]
fn upstreams_with_the_same_check_share_one_prober_and_one_state() {
    let (node, health) = origin("a");
    let documents: Vec<(String, Value)> = (0..20)
        .map(|number| (format!("upstreams/{number}"), checked(&[node.address])))
        .chain([(
            "upstreams/other".to_owned(),
            with(
                checked(&[node.address]),
                json!({"pass_host": "rewrite", "upstream_host": "other.test"}),
            ),
        )])
        .collect();
    let documents: Vec<(&str, Value)> = documents
        .iter()
        .map(|(key, spec)| (key.as_str(), spec.clone()))
        .collect();
    let bed = Bed::new(&documents);
    eventually("probes begin", || !node.seen().is_empty());
    assert_eq!(
        bed.gateway.checkers().probed(),
        [node.address; 2],
        "one for twenty upstreams, one for the upstream with another Host"
    );
    health.store(500, Ordering::SeqCst);
    for number in 0..20 {
        bed.wait_for(
            &format!("upstreams/{number}"),
            node.address.port(),
            "unhealthy",
        );
    }
}

#[test]
fn when_no_node_is_healthy_all_are_used_or_the_request_fails_or_the_fallback_is_taken() {
    let [(a, health_a), (b, health_b)] = [origin("a"), origin("b")];
    let (spare, _) = origin("spare");
    let nodes = checked(&[a.address, b.address]);
    let mut bed = Bed::new(&[("upstreams/1", nodes.clone()), ("routes/1", route("1"))]);
    health_a.store(500, Ordering::SeqCst);
    health_b.store(500, Ordering::SeqCst);
    for address in [a.address, b.address] {
        bed.wait_for("upstreams/1", address.port(), "unhealthy");
    }
    assert_eq!(bed.ask().0, 200);

    bed.change(
        "upstreams/1",
        with(nodes.clone(), json!({"when_all_unhealthy": "fail"})),
    );
    assert_eq!(bed.ask().0, 502, "the states survived the change");

    bed.put(
        "upstreams/spare",
        json!({"nodes": {spare.address.to_string(): 1}}),
    );
    bed.change(
        "upstreams/1",
        with(nodes, json!({"fallback_upstream_id": "spare"})),
    );
    assert_eq!(bed.ask(), (200, "spare".to_owned()));
    health_a.store(200, Ordering::SeqCst);
    bed.wait_for("upstreams/1", a.address.port(), "healthy");
    assert_eq!(bed.ask(), (200, "a".to_owned()));

    bed.change(
        "upstreams/1",
        json!({"nodes": {}, "fallback_upstream_id": "spare"}),
    );
    assert_eq!(bed.ask(), (200, "spare".to_owned()), "no nodes at all");
}

#[test]
fn fallbacks_that_lead_in_a_circle_end() {
    let closed = closed_address();
    let upstream = |next: &str| {
        with(
            checked(&[closed]),
            json!({"fallback_upstream_id": next, "when_all_unhealthy": "fail"}),
        )
    };
    let bed = Bed::new(&[
        ("upstreams/1", upstream("2")),
        ("upstreams/2", upstream("1")),
        ("routes/1", route("1")),
    ]);
    bed.wait_for("upstreams/1", closed.port(), "unhealthy");
    assert_eq!(bed.ask().0, 502);
}

#[test]
fn real_requests_eject_a_node_that_is_not_probed() {
    let (good, _) = origin("good");
    let bad = Origin::answering(|_| b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec());
    let mut upstream = checked(&[good.address, bad.address]);
    upstream["checks"] = json!({"passive": {"unhealthy": {"http_failures": 3}}});
    let bed = Bed::new(&[("upstreams/1", upstream), ("routes/1", route("1"))]);
    let bad_answers = (0..40).filter(|_| bed.ask().0 == 500).count();
    assert_eq!(bad_answers, 3, "ejected after the third");
    assert!(bed.gateway.checkers().probed().is_empty());
    assert_eq!(bed.states("upstreams/1")[&bad.address.port()], "unhealthy");
}

#[test]
fn tries_that_fail_count_too() {
    let (good, _) = origin("good");
    let closed = closed_address();
    let mut upstream = checked(&[good.address, closed]);
    upstream["checks"] = json!({"passive": {"unhealthy": {"tcp_failures": 2}}});
    let bed = Bed::new(&[("upstreams/1", upstream), ("routes/1", route("1"))]);
    for _ in 0..10 {
        assert_eq!(bed.ask(), (200, "good".to_owned()), "another node is tried");
    }
    assert_eq!(bed.states("upstreams/1")[&closed.port()], "unhealthy");
    assert_eq!(bed.gateway.stats().retries, 2);
}

#[test]
fn probes_go_to_exactly_the_configured_nodes_after_ten_thousand_changes() {
    let spec = |round: usize| {
        let address = |number: usize| {
            let host = format!("127.77.{}.{}", number / 250, number % 250 + 1);
            format!("{host}:9")
        };
        // A window of ten nodes that moves over a thousand addresses, back and forth.
        let first = round * 7 % 990;
        let nodes: serde_json::Map<String, Value> = (first..first + 10)
            .map(|number| (address(number), json!(1 + round % 3)))
            .collect();
        with(checked(&[]), json!({"nodes": nodes}))
    };
    let mut bed = Bed::new(&[("upstreams/1", spec(0)), ("routes/1", route("1"))]);
    // Sockets towards these addresses, as the kernel lists them: 127.77.x.y, port 9.
    let sockets = || {
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let remotes = table
            .lines()
            .filter_map(|line| line.split_whitespace().nth(2));
        remotes
            .filter(|remote| remote.ends_with("4D7F:0009"))
            .count()
    };
    for round in 1..=10_000 {
        bed.change("upstreams/1", spec(round));
    }
    let configured = |round: usize| {
        let nodes = spec(round)["nodes"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>();
        let mut nodes: Vec<SocketAddr> = nodes.iter().map(|node| node.parse().unwrap()).collect();
        nodes.sort_unstable();
        nodes
    };
    eventually("the probers are those of the last change", || {
        bed.gateway.checkers().probed() == configured(10_000)
    });
    for node in configured(10_000) {
        let key = "upstreams/1".parse::<Key>().unwrap();
        let checks = bed.gateway.checkers().checks();
        let shown = checks[&key].nodes.iter();
        assert!(
            shown
                .map(|target| target.place.ip)
                .any(|ip| ip == node.ip())
        );
    }
    // Nothing is left of what was: state, sockets.
    eventually("state of nodes that are gone is dropped", || {
        bed.env.living.sweep();
        bed.env.living.count() < 10 * 3 + 20
    });
    eventually("only probes of configured nodes are open", || {
        sockets() <= 10
    });
    bed.change("upstreams/1", json!({"nodes": {"127.0.0.1:9": 1}}));
    eventually("no checks, no probes", || {
        bed.gateway.checkers().probed().is_empty()
    });
}
