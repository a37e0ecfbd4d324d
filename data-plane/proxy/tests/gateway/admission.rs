//! Who is let in: connections in all and of one address, requests in flight, memory.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use socket2::{Domain, Socket, Type};
use weir_proxy::gateway::{Cap, Gateway, GatewayConfig};

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::retrying::telling;
use super::setup::{config, eventually, everything_to, http, nodes, start};

/// A client whose address is 127.0.0.`last`.
fn client_at(last: u8, gateway: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own: SocketAddr = ([127, 0, 0, last], 0).into();
    socket.bind(&own.into()).unwrap();
    socket.connect(&gateway.into()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    Client::over(socket.into())
}

fn metric(gateway: &Gateway, name: &str) -> f64 {
    let mut text = String::new();
    gateway.metrics_text(&mut text);
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("{name} is not in {text}"))
        .parse()
        .unwrap()
}

fn refused(gateway: &Gateway, limit: &str) -> f64 {
    let name = format!("weir_proxy_connections_refused_total{{limit=\"{limit}\"}}");
    metric(gateway, &name)
}

fn is_turned_away(client: &mut Client) {
    let answer = client.answer(false);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed());
}

fn capped(connections: u64, per_address: u64) -> (Gateway, Origin) {
    let mut config = config();
    config.settings.limits.connections = Cap::At(connections);
    config.settings.limits.connections_per_address = Cap::At(per_address);
    let origin = Origin::text("ok");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    (gateway, origin)
}

#[test]
fn one_connection_too_many_is_told_and_the_others_go_on() {
    let (gateway, _origin) = capped(3, 100);
    let mut good: Vec<Client> = (0..3).map(|_| Client::connect(http(&gateway))).collect();
    eventually("they are open", || gateway.stats().connections == 3);
    for _ in 0..5 {
        // Whether it has asked or not.
        is_turned_away(&mut Client::connect(http(&gateway)));
        let mut asking = Client::connect(http(&gateway));
        asking.send(get("/"));
        is_turned_away(&mut asking);
    }
    assert_eq!(refused(&gateway, "connections"), 10.0);
    for client in &mut good {
        assert_eq!(client.ask(get("/")).text(), "ok");
    }
    good.pop();
    eventually("a place is free", || gateway.stats().connections == 2);
    assert_eq!(ask(http(&gateway), get("/")).text(), "ok");
}

#[test]
fn an_address_that_has_too_many_costs_no_other_address_anything() {
    let (gateway, _origin) = capped(100, 2);
    let mut greedy: Vec<Client> = (0..2).map(|_| client_at(7, http(&gateway))).collect();
    eventually("they are open", || gateway.stats().connections == 2);
    is_turned_away(&mut client_at(7, http(&gateway)));
    assert_eq!(refused(&gateway, "connections_per_address"), 1.0);
    assert_eq!(client_at(8, http(&gateway)).ask(get("/")).text(), "ok");
    // The word of 127.0.0.1 about clients is taken, so that it has no bound of its own.
    let relays: Vec<Client> = (0..5).map(|_| client_at(1, http(&gateway))).collect();
    eventually("relays are open", || gateway.stats().connections >= 7);
    drop(relays);
    assert_eq!(greedy[0].ask(get("/")).text(), "ok");
    drop(greedy);
    eventually("all are closed", || gateway.stats().connections == 0);
    assert_eq!(metric(&gateway, "weir_proxy_client_addresses"), 0.0);
    assert_eq!(client_at(7, http(&gateway)).ask(get("/")).text(), "ok");
}

#[test]
fn who_a_relay_speaks_for_is_bounded() {
    let config = GatewayConfig {
        http: Vec::new(),
        relayed_http: vec!["127.0.0.1:0".parse().unwrap()],
        ..config()
    };
    let mut config = config;
    config.settings.limits.connections_per_address = Cap::At(1);
    let origin = Origin::text("ok");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let address = gateway.addresses().relayed_http[0];
    let relayed = |source: &str| {
        let mut client = Client::connect(address);
        client.send(format!("PROXY TCP4 {source} 10.0.0.9 1000 80\r\n"));
        client
    };
    let mut first = relayed("10.0.0.1");
    assert_eq!(first.ask(get("/")).text(), "ok");
    assert!(relayed("10.0.0.1").is_closed());
    assert_eq!(relayed("10.0.0.2").ask(get("/")).text(), "ok");
}

#[test]
fn requests_beyond_the_limit_wait_for_a_moment_and_then_nobody_waits() {
    let (arrived, arrivals) = channel();
    let (go, gone) = channel::<()>();
    let both = Mutex::new((arrived, gone));
    let origin = Origin::answering(move |_| {
        let both = both.lock().unwrap();
        both.0.send(()).unwrap();
        let _ = both.1.recv();
        ok("held")
    });
    let mut config = telling();
    config.settings.limits.requests = Cap::At(1);
    config.settings.limits.pending = 1;
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let mut holder = Client::connect(http(&gateway));
    holder.send(get("/"));
    arrivals.recv().unwrap();
    let waits = ask(http(&gateway), get("/"));
    assert_eq!(waits.status, 503);
    assert_eq!(waits.header("x-weir-reason"), Some("overloaded"));
    assert_eq!(waits.header("retry-after"), Some("1"));
    // It is known now that places do not come free in a moment.
    let began = Instant::now();
    let mut client = Client::connect(http(&gateway));
    for _ in 0..20 {
        assert_eq!(client.ask(get("/")).status, 503);
    }
    let each = began.elapsed() / 20;
    assert!(each < Duration::from_millis(25), "{each:?}");
    let grpc = "POST /a.B/C HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
    let told = ask(http(&gateway), grpc);
    assert_eq!(told.header("grpc-status"), Some("14"));
    assert_eq!(metric(&gateway, "weir_proxy_requests_refused_total"), 22.0);
    go.send(()).unwrap();
    assert_eq!(holder.answer(false).text(), "held");
    drop(go);
    assert_eq!(ask(http(&gateway), get("/")).text(), "held");
    assert_eq!(gateway.stats().by_reason.get("overloaded"), Some(&22));
}

#[test]
fn nobody_is_let_in_when_memory_is_short() {
    let mut config = telling();
    config.settings.limits.memory = Cap::At(1);
    let origin = Origin::text("ok");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    eventually("memory was looked at", || {
        metric(&gateway, "weir_proxy_memory_bytes") > 0.0
    });
    is_turned_away(&mut Client::connect(http(&gateway)));
    assert_eq!(refused(&gateway, "memory"), 1.0);
    assert_eq!(metric(&gateway, "weir_proxy_memory_level"), 3.0);
}

/// A panic of a plugin in each phase, and what the client sees of it.
#[test]
fn a_panic_ends_its_request_and_nothing_else() {
    let origin = Origin::text("ok");
    for (phase, status) in [
        ("rewrite", StatusCode::INTERNAL_SERVER_ERROR),
        ("access", StatusCode::INTERNAL_SERVER_ERROR),
        ("header", StatusCode::INTERNAL_SERVER_ERROR),
        ("log", StatusCode::OK),
    ] {
        let gateway = super::plugins::panicking(&origin, phase);
        let before = metric(&gateway, "weir_panics_total");
        let mut client = Client::connect(http(&gateway));
        for _ in 0..3 {
            let answer = client.ask(get("/bad"));
            assert_eq!(answer.status, status.as_u16(), "{phase}");
        }
        assert_eq!(client.ask(get("/good")).text(), "ok", "{phase}");
        eventually("they are counted", || {
            metric(&gateway, "weir_panics_total") >= before + 3.0
        });
        if status != StatusCode::OK {
            assert_eq!(gateway.stats().by_reason.get("panicked"), Some(&3));
        }
        assert_eq!(gateway.stats().in_flight, 0);
        assert_eq!(gateway.stats().connections, 1);
    }
}

#[test]
fn a_panic_within_a_body_breaks_it_off() {
    let origin = Origin::answering(|_| {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".to_vec()
    });
    let gateway = super::plugins::panicking(&origin, "body");
    let bad = Arc::new(Mutex::new(Client::connect(http(&gateway))));
    let mut client = bad.lock().unwrap();
    client.send(get("/bad"));
    assert_eq!(client.head().status, 200);
    assert!(client.is_closed());
    assert_eq!(ask(http(&gateway), get("/good")).text(), "ab");
    assert_eq!(gateway.stats().by_reason.get("panicked"), Some(&1));
}
