//! Names of nodes: resolvers and lives of an upstream's own, all addresses used, failures outlived.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::setup::{eventually, http, proxy_to, with};

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

#[test]
fn all_addresses_of_a_name_are_used_and_a_dead_one_gives_way() {
    let (port, _nodes) = pair();
    let dead = Ipv4Addr::new(127, 77, 0, 3);
    let server = NameServer::start(&[ONE, TWO, dead]);
    let gateway = proxy_to(server.upstream(port, json!({"retries": 0})));
    let mut counts = [0, 0];
    for _ in 0..60 {
        let answer = ask(http(&gateway), get("/"));
        assert_eq!(answer.status, 200);
        counts[usize::from(answer.text() == "two")] += 1;
    }
    assert!(counts.iter().all(|count| *count >= 15), "{counts:?}");
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
