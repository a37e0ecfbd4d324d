//! Limits of connections and of requests that wait for one: they hold, they are freed on every way
//! out, and what hangs behind them costs nobody else anything.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_proxy::gateway::{Gateway, GatewayConfig};

use super::client::{Client, ask, get};
use super::h2_node::{H2Node, text};
use super::origin::{Origin, Peer, ok};
use super::retrying::telling;
use super::setup::{config, eventually, everything_to, http, nodes, runtime, start, with};

/// A node that counts its open connections, and the requests that it works on.
struct Counted {
    origin: Origin,
    open: Arc<AtomicUsize>,
    /// Most requests at the same time.
    most: Arc<AtomicUsize>,
}

impl Counted {
    fn new(work: impl Fn(&mut Peer) -> bool + Send + Sync + 'static) -> Self {
        let [open, busy, most] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let (counter, peak) = (Arc::clone(&open), Arc::clone(&most));
        let origin = Origin::raw(move |peer| {
            counter.fetch_add(1, Ordering::SeqCst);
            while peer.read().is_some() {
                let now = busy.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(now, Ordering::SeqCst);
                let goes_on = work(peer);
                busy.fetch_sub(1, Ordering::SeqCst);
                if !goes_on {
                    break;
                }
            }
            counter.fetch_sub(1, Ordering::SeqCst);
        });
        Self { origin, open, most }
    }

    /// Takes a request and never answers.
    fn hanging() -> Self {
        Self::new(|peer| peer.read().is_some())
    }

    /// Answers after a while.
    fn slow(delay: Duration) -> Self {
        Self::new(move |peer| {
            std::thread::park_timeout(delay);
            peer.write(ok("slow"))
        })
    }

    fn limited(&self, limits: Value) -> Value {
        with(nodes(&[self.origin.address]), json!({"limits": limits}))
    }
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let mut text = String::new();
    gateway.metrics_text(&mut text);
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

fn pending(gateway: &Gateway) -> u64 {
    metric(gateway, "weir_proxy_upstream_pending_requests")
}

/// So many requests at the same time; their statuses.
fn at_once(gateway: &Gateway, path: &str, count: usize) -> Vec<u16> {
    let mut clients: Vec<Client> = (0..count).map(|_| Client::connect(http(gateway))).collect();
    for client in &mut clients {
        client.send(get(path));
    }
    let answers = clients.iter_mut().map(|client| client.answer(false).status);
    answers.collect()
}

#[test]
fn a_node_never_has_more_connections_than_it_may() {
    for workers in [1, 3] {
        // One for each, so that connections which end are not counted beside new ones.
        let node = Counted::slow(Duration::from_millis(20));
        let upstream = node.limited(json!({"node": {"max_connections": 2}}));
        let config = GatewayConfig {
            workers: NonZeroUsize::new(workers).unwrap(),
            ..config()
        };
        let gateway = start(config, Some(everything_to(upstream)));
        assert_eq!(at_once(&gateway, "/", 24), [200; 24]);
        // As many at a time as there are connections, and no more. A connection that gives its place
        // to another worker is closed first, which the node may see after the new one.
        let most = node.most.load(Ordering::SeqCst);
        let handed_over = usize::from(workers > 1);
        assert!(
            (2..=2 + handed_over).contains(&most),
            "{most}: {workers} workers"
        );
        assert_eq!(pending(&gateway), 0);
        drop(gateway);
        eventually("all are closed", || node.open.load(Ordering::SeqCst) == 0);
    }
}

#[test]
fn an_idle_connection_gives_its_place_to_another_worker() {
    let node = Counted::slow(Duration::ZERO);
    let upstream = node.limited(json!({"max_connections": 1, "max_pending": 1}));
    let config = GatewayConfig {
        workers: NonZeroUsize::new(4).unwrap(),
        ..telling()
    };
    let gateway = start(config, Some(everything_to(upstream)));
    // Each client comes to a worker of the kernel's choice.
    for _ in 0..16 {
        assert_eq!(ask(http(&gateway), get("/")).status, 200);
    }
    eventually("one is left", || node.open.load(Ordering::SeqCst) == 1);
}

#[test]
fn whoever_is_one_too_many_to_wait_is_answered_at_once_and_places_come_back() {
    let node = Counted::hanging();
    let limits = json!({"max_connections": 1, "max_pending": 1});
    let gateway = start(telling(), Some(everything_to(node.limited(limits))));
    let mut first = Client::connect(http(&gateway));
    first.send(get("/"));
    eventually("the node has a connection", || {
        node.open.load(Ordering::SeqCst) == 1
    });
    let mut second = Client::connect(http(&gateway));
    second.send(get("/"));
    eventually("one waits", || pending(&gateway) == 1);
    let began = Instant::now();
    for _ in 0..20 {
        let refused = ask(http(&gateway), get("/"));
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("x-weir-reason"), Some("pending_overflow"));
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    // The client that held the place leaves, and the one that waits takes it.
    drop(first);
    eventually("it is the other's turn", || {
        pending(&gateway) == 0 && node.origin.connections() == 2
    });
    drop(second);
    eventually("all are closed", || node.open.load(Ordering::SeqCst) == 0);
    // One that leaves while it waits takes nothing with it.
    let mut holder = Client::connect(http(&gateway));
    holder.send(get("/"));
    eventually("the place is taken", || {
        node.open.load(Ordering::SeqCst) == 1
    });
    let mut leaving = Client::connect(http(&gateway));
    leaving.send(get("/"));
    eventually("one waits", || pending(&gateway) == 1);
    drop(leaving);
    eventually("none waits", || pending(&gateway) == 0);
    // The connection whose place went to the second client was closed before the next one was made,
    // which the node may see the other way round.
    assert!((1..=2).contains(&node.most.load(Ordering::SeqCst)));
}

#[test]
fn waiting_counts_as_connecting() {
    let node = Counted::hanging();
    let timeout = json!({"timeout": {"connect": 0.3, "send": 60, "read": 60}});
    let upstream = with(node.limited(json!({"max_connections": 1})), timeout);
    let gateway = start(telling(), Some(everything_to(upstream)));
    let mut first = Client::connect(http(&gateway));
    first.send(get("/"));
    eventually("the node has a connection", || {
        node.open.load(Ordering::SeqCst) == 1
    });
    let late = ask(http(&gateway), get("/"));
    assert_eq!(late.status, 504);
    assert_eq!(late.header("x-weir-reason"), Some("timeout_pending"));
}

#[test]
fn a_node_that_is_full_is_passed_over_and_stays_healthy() {
    let (full, free) = (Counted::hanging(), Origin::text("free"));
    let check =
        json!({"passive": {"unhealthy": {"timeouts": 1, "tcp_failures": 1, "http_failures": 1}}});
    let limits = json!({"node": {"max_connections": 1, "max_pending": 1}});
    let both = nodes(&[full.origin.address, free.address]);
    let upstream = with(both, json!({"limits": limits, "checks": check}));
    let gateway = start(telling(), Some(everything_to(upstream)));
    let mut stuck: Vec<Client> = (0..2).map(|_| Client::connect(http(&gateway))).collect();
    for client in &mut stuck {
        client.send(get("/"));
    }
    eventually("one is held, one waits", || {
        full.open.load(Ordering::SeqCst) == 1 && pending(&gateway) == 1
    });
    for _ in 0..5 {
        assert_eq!(ask(http(&gateway), get("/")).text(), "free");
    }
    let checks = gateway.checkers().checks();
    let targets = checks.values().flat_map(|checked| &checked.nodes);
    assert!(targets.into_iter().all(|target| target.is_usable()));
}

#[test]
fn an_upstream_that_hangs_costs_the_others_nothing() {
    let hung = Counted::hanging();
    let fine = Origin::text("fine");
    let limits = json!({"max_connections": 4, "max_pending": 4});
    let routes = [
        (
            "routes/1",
            json!({"uri": "/hung", "upstream": hung.limited(limits)}),
        ),
        (
            "routes/2",
            json!({"uri": "/fine", "upstream": nodes(&[fine.address])}),
        ),
    ];
    let gateway = start(telling(), Some(runtime(&routes)));
    let slowest = || {
        let mut client = Client::connect(http(&gateway));
        let times = (0..300).map(|_| {
            let began = Instant::now();
            assert_eq!(client.ask(get("/fine")).text(), "fine");
            began.elapsed()
        });
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        times[times.len() * 95 / 100]
    };
    let before = slowest();
    let mut stuck: Vec<Client> = (0..8).map(|_| Client::connect(http(&gateway))).collect();
    for client in &mut stuck {
        client.send(get("/hung"));
    }
    eventually("its limits are full", || {
        hung.open.load(Ordering::SeqCst) == 4 && pending(&gateway) == 4
    });
    let refused = at_once(&gateway, "/hung", 50);
    assert_eq!(refused, [503; 50]);
    let during = slowest();
    let bound = before * 5 + Duration::from_millis(20);
    assert!(
        during <= bound,
        "95 % within {before:?} before, {during:?} during"
    );
    assert_eq!(hung.most.load(Ordering::SeqCst), 4);
}

#[test]
fn connections_of_http2_count_once_whatever_runs_on_them() {
    let node = H2Node::start(text("two"));
    let limits = json!({"max_connections": 1, "max_pending": 1000});
    let upstream = with(
        nodes(&[node.address]),
        json!({"http_version": "2", "limits": limits}),
    );
    let gateway = start(telling(), Some(everything_to(upstream)));
    assert_eq!(at_once(&gateway, "/", 150), [200; 150]);
    assert_eq!(node.connections(), 1);
    assert_eq!(pending(&gateway), 0);
}

#[test]
fn a_shared_connection_that_has_served_enough_gives_its_place_back() {
    let node = H2Node::start(text("two"));
    let limits = json!({"max_connections": 1});
    let upstream = with(
        nodes(&[node.address]),
        json!({"http_version": "2", "limits": limits, "keepalive_pool": {"requests": 5}}),
    );
    let gateway = start(telling(), Some(everything_to(upstream)));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..20 {
        assert_eq!(client.ask(get("/")).status, 200);
    }
    assert_eq!(node.connections(), 4);
}
