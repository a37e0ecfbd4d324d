//! Names of nodes: resolvers and lives of an upstream's own, a node for each address, failures
//! outlived.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::setup::{config, eventually, http, proxy_to, runtime, start, with};
use weir_proxy::gateway::Gateway;

/// A name server that knows the same addresses for every name, for one second.
struct NameServer {
    address: SocketAddr,
    addresses: Arc<Mutex<Vec<Ipv4Addr>>>,
    failing: Arc<AtomicBool>,
    questions: Arc<AtomicUsize>,
}

impl NameServer {
    fn start(addresses: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            addresses: Arc::new(Mutex::new(addresses.to_vec())),
            failing: Arc::default(),
            questions: Arc::default(),
        };
        let (addresses, failing) = (Arc::clone(&server.addresses), Arc::clone(&server.failing));
        let questions = Arc::clone(&server.questions);
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((size, from)) = socket.recv_from(&mut question) {
                let asked = addresses.lock().unwrap().clone();
                let code = if failing.load(Ordering::SeqCst) { 2 } else { 0 };
                let answer = answer(&question[..size], &asked, code);
                questions.fetch_add(1, Ordering::SeqCst);
                let _ = socket.send_to(&answer, from);
            }
        });
        server
    }

    fn say(&self, addresses: &[Ipv4Addr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    /// Nodes that are one name on this port.
    fn upstream(&self, port: u16, more: Value) -> Value {
        let node = format!("svc.test:{port}");
        let base = json!({"nodes": {node: 1}, "dns_resolver": [self.address.to_string()]});
        with(base, more)
    }
}

/// RFC 1035: the question again, then an A record for each address when A was asked for.
fn answer(question: &[u8], addresses: &[Ipv4Addr], code: u8) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap();
    let section = &question[12..name_end + 5];
    let asks_a = question[name_end + 1..name_end + 3] == [0, 1];
    let addresses = if asks_a && code == 0 { addresses } else { &[] };
    let mut answer = question[..2].to_vec();
    answer.extend_from_slice(&[
        0x81,
        0x80 | code,
        0,
        1,
        0,
        addresses.len() as u8,
        0,
        0,
        0,
        0,
    ]);
    answer.extend_from_slice(section);
    for address in addresses {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    answer
}

const ONE: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 2);

/// Two nodes on one port of two addresses; each answers with its own.
fn pair() -> (u16, [Origin; 2]) {
    loop {
        let first = TcpListener::bind((ONE, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if let Ok(second) = TcpListener::bind((TWO, port)) {
            let serve = |listener, text: &'static str| {
                Origin::on(listener, move |peer| {
                    while peer.read().is_some() {
                        peer.write(ok(text));
                    }
                })
            };
            return (port, [serve(first, "one"), serve(second, "two")]);
        }
    }
}

const DEAD: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 3);

/// A gateway whose upstream `1` has this configuration.
fn gateway_of(upstream: Value) -> Gateway {
    let route = json!({"uri": "/*", "upstream_id": "1"});
    start(
        config(),
        Some(runtime(&[("routes/1", route), ("upstreams/1", upstream)])),
    )
}

/// Waits until the upstream has these nodes.
fn wait_for_nodes(gateway: &Gateway, expected: &[Ipv4Addr]) {
    eventually(&format!("the nodes are {expected:?}"), || {
        let runtime = gateway.runtime().unwrap();
        let upstream = runtime.upstream_object(&"1".into()).unwrap();
        let addresses = upstream.nodes().iter().map(|node| node.ip);
        addresses.eq(expected.iter().map(|address| Some((*address).into())))
    });
}

fn tally(gateway: &Gateway, requests: usize) -> [usize; 2] {
    let mut counts = [0, 0];
    for _ in 0..requests {
        let answer = ask(http(gateway), get("/"));
        assert_eq!(answer.status, 200);
        counts[usize::from(answer.text() == "two")] += 1;
    }
    counts
}

#[test]
fn every_address_of_a_name_is_a_node_of_its_weight() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[ONE, TWO]);
    let name = format!("svc.test:{port}");
    let fixed = format!("{ONE}:{port}");
    let nodes = json!({"nodes": {name: 2, fixed: 1}});
    let gateway = gateway_of(server.upstream(port, nodes));
    let runtime = gateway.runtime().unwrap();
    wait_for_nodes(&gateway, &[ONE, TWO, ONE]);
    let renewed = gateway.runtime().unwrap();
    assert_eq!(renewed.revision, runtime.revision);
    assert_eq!(tally(&gateway, 50), [30, 20]);
}

#[test]
fn an_address_that_is_dead_gives_way_to_another() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[ONE, TWO, DEAD]);
    let gateway = gateway_of(server.upstream(port, json!({})));
    tally(&gateway, 3);
    wait_for_nodes(&gateway, &[ONE, TWO, DEAD]);
    let counts = tally(&gateway, 30);
    assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
}

#[test]
fn probes_follow_the_addresses_and_those_that_stay_keep_their_state() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[ONE, DEAD]);
    let check = json!({"type": "tcp", "timeout": 0.5,
        "healthy": {"interval": 1}, "unhealthy": {"interval": 1, "tcp_failures": 1}});
    let more = json!({"retries": 0, "checks": {"active": check}});
    let gateway = gateway_of(server.upstream(port, more));
    let probed = |expected: &[Ipv4Addr]| {
        let expected = expected.iter();
        let expected: Vec<SocketAddr> = expected.map(|ip| (*ip, port).into()).collect();
        eventually(&format!("probes go to {expected:?}"), || {
            gateway.checkers().probed() == expected
        });
    };
    probed(&[ONE, DEAD]);
    let key = "upstreams/1".parse::<weir_model::Key>().unwrap();
    let unhealthy_since = || {
        let checks = gateway.checkers().checks();
        let dead = checks[&key].nodes.iter().find(|node| node.place.ip == DEAD);
        let dead = dead.filter(|dead| !dead.is_usable());
        dead.map(|dead| dead.shown().since_ms)
    };
    eventually("the dead one is unhealthy", || unhealthy_since().is_some());
    let since = unhealthy_since();
    server.say(&[ONE, TWO, DEAD]);
    probed(&[ONE, TWO, DEAD]);
    assert_eq!(unhealthy_since(), since);
    assert_eq!(tally(&gateway, 20), [10, 10]);
    server.say(&[TWO]);
    probed(&[TWO]);
    assert_eq!(tally(&gateway, 4), [0, 4]);
}

#[test]
fn with_pass_host_node_the_name_is_sent() {
    let listener = TcpListener::bind((ONE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let _node = Origin::on(listener, |peer| {
        while let Some(request) = peer.read() {
            let host = request.header("host").unwrap_or_default().to_owned();
            peer.write(ok(&host));
        }
    });
    let server = NameServer::start(&[ONE]);
    let gateway = gateway_of(server.upstream(port, json!({"pass_host": "node"})));
    let asked = || ask(http(&gateway), get("/")).text().to_owned();
    let expected = format!("svc.test:{port}");
    assert_eq!(asked(), expected);
    wait_for_nodes(&gateway, &[ONE]);
    assert_eq!(asked(), expected);
}

#[test]
fn a_name_that_fails_is_left_out_while_there_are_other_nodes() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[]);
    let name = format!("svc.test:{port}");
    let fixed = format!("{TWO}:{port}");
    let nodes = json!({"nodes": {name: 1, fixed: 1}, "retries": 0});
    let gateway = gateway_of(server.upstream(port, nodes));
    wait_for_nodes(&gateway, &[TWO]);
    assert_eq!(tally(&gateway, 4), [0, 4]);
    server.say(&[ONE]);
    wait_for_nodes(&gateway, &[ONE, TWO]);
}

#[test]
fn a_change_takes_effect_after_its_life_and_a_failure_does_not() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[ONE]);
    let gateway = proxy_to(server.upstream(port, json!({})));
    let mut client = Client::connect(http(&gateway));
    assert_eq!(client.ask(get("/")).text(), "one");
    server.say(&[TWO]);
    eventually("the new address is used", || {
        client.ask(get("/")).text() == "two"
    });
    server.failing.store(true, Ordering::SeqCst);
    let asked = server.questions.load(Ordering::SeqCst);
    eventually("the failure was seen", || {
        assert_eq!(client.ask(get("/")).text(), "two");
        server.questions.load(Ordering::SeqCst) >= asked + 6
    });
    assert_eq!(client.ask(get("/")).text(), "two");
}

#[test]
fn an_upstream_may_say_how_long_answers_hold() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[ONE]);
    let gateway = proxy_to(server.upstream(port, json!({"dns_ttl": 600})));
    let quick = proxy_to(server.upstream(port, json!({})));
    assert_eq!(ask(http(&gateway), get("/")).text(), "one");
    assert_eq!(ask(http(&quick), get("/")).text(), "one");
    server.say(&[TWO]);
    eventually("the record is over", || {
        ask(http(&quick), get("/")).text() == "two"
    });
    assert_eq!(ask(http(&gateway), get("/")).text(), "one");
}

#[test]
fn a_name_that_nobody_knows_gets_503_until_it_is_known() {
    let (port, _nodes) = pair();
    let server = NameServer::start(&[]);
    let gateway = proxy_to(server.upstream(port, json!({})));
    assert_eq!(ask(http(&gateway), get("/")).status, 503);
    server.say(&[ONE]);
    eventually("the name is known", || {
        ask(http(&gateway), get("/")).status == 200
    });
}
