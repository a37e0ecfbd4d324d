//! Listeners behind a balancer that tells who the client is (PROXY protocol), and what hostile
//! peers get there.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use weir_model::upstream::ProxyProtocol;
use weir_proxy::gateway::{Gateway, GatewayConfig};
use weir_proxy::proxy_protocol::encode;
use weir_proxy::telemetry::access_log::AccessLog;

use super::client::{Client, get};
use super::origin::{Origin, ok};
use super::setup::{config, eventually, everything_to, nodes, start, with};

fn relayed() -> GatewayConfig {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    GatewayConfig {
        http: Vec::new(),
        relayed_http: vec![any],
        ..config()
    }
}

fn address(gateway: &Gateway) -> SocketAddr {
    gateway.addresses().relayed_http[0]
}

fn told(version: ProxyProtocol) -> Vec<u8> {
    let source = "192.0.2.7:4711".parse().unwrap();
    encode(version, source, "198.51.100.1:443".parse().unwrap()).to_vec()
}

fn failures(gateway: &Gateway) -> String {
    let mut text = String::new();
    gateway.metrics_text(&mut text);
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("weir_proxy_proxy_header_failures_total "));
    line.unwrap().to_owned()
}

#[test]
fn the_client_is_who_the_header_says_for_nodes_and_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = relayed();
    config.access_log = AccessLog::File(path.clone());
    let origin = Origin::text("hello");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let mut client = Client::connect(address(&gateway));
        client.send(told(version));
        for _ in 0..2 {
            assert_eq!(client.ask(get("/")).text(), "hello");
            let seen = origin.last();
            assert_eq!(seen.header("x-real-ip"), Some("192.0.2.7"));
            assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.7"));
        }
    }
    eventually("the log has the client", || {
        let text = std::fs::read_to_string(&path).unwrap();
        text.matches(r#""client":"192.0.2.7""#).count() == 4
    });
}

#[test]
fn a_peer_that_speaks_for_itself_is_the_client() {
    let origin = Origin::text("hello");
    let gateway = start(relayed(), Some(everything_to(nodes(&[origin.address]))));
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for header in [&local[..], b"PROXY UNKNOWN\r\n"] {
        let mut client = Client::connect(address(&gateway));
        client.send(header);
        assert_eq!(client.ask(get("/")).status, 200);
        assert_eq!(origin.last().header("x-real-ip"), Some("127.0.0.1"));
    }
}

#[test]
fn the_node_is_told_the_same() {
    let origin = Origin::raw(|peer| {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut peer.reader, &mut line).unwrap();
        while peer.read().is_some() {
            peer.write(ok(line.trim_end()));
        }
    });
    let upstream = with(nodes(&[origin.address]), json!({"proxy_protocol": "v1"}));
    let gateway = start(relayed(), Some(everything_to(upstream)));
    let mut client = Client::connect(address(&gateway));
    client.send(told(ProxyProtocol::V2));
    let expected = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443";
    assert_eq!(client.ask(get("/")).text(), expected);
}

#[test]
fn whoever_sends_no_good_header_is_closed_without_an_answer() {
    let origin = Origin::text("hello");
    let gateway = start(relayed(), Some(everything_to(nodes(&[origin.address]))));
    let endless = format!("PROXY TCP4 {}", "1".repeat(200));
    let mut forged = told(ProxyProtocol::V2);
    forged[12] = 0x11;
    let hostile: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PROXY TCP4 nobody nowhere 1 2\r\n",
        endless.as_bytes(),
        &forged,
    ];
    for bytes in hostile {
        let mut client = Client::connect(address(&gateway));
        client.send(bytes);
        assert!(client.is_closed(), "{:?}", String::from_utf8_lossy(bytes));
    }
    let expected = "weir_proxy_proxy_header_failures_total 4";
    eventually("they are counted", || failures(&gateway) == expected);
    assert!(origin.seen().is_empty());
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let mut config = relayed();
    config.settings.limits.header = Duration::from_millis(300);
    let gateway = start(config, None);
    let began = Instant::now();
    let mut client = Client::connect(address(&gateway));
    client.send(&told(ProxyProtocol::V1)[..20]);
    assert!(client.is_closed());
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(
        failures(&gateway),
        "weir_proxy_proxy_header_failures_total 1"
    );
}

#[test]
fn only_those_on_the_list_are_believed() {
    let mut config = relayed();
    config.settings.relays = Some(vec!["127.0.0.2/32".parse().unwrap()]);
    let origin = Origin::text("hello");
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let from = |ip: &str| {
        let any = socket2::Domain::IPV4;
        let socket = socket2::Socket::new(any, socket2::Type::STREAM, None).unwrap();
        let source: SocketAddr = format!("{ip}:0").parse().unwrap();
        socket.bind(&source.into()).unwrap();
        socket.connect(&address(&gateway).into()).unwrap();
        let mut stream = TcpStream::from(socket);
        let request = [told(ProxyProtocol::V1), get("/").into_bytes()].concat();
        std::io::Write::write_all(&mut stream, &request).unwrap();
        let mut first = [0; 12];
        stream
            .read(&mut first)
            .map(|read| first[..read].to_vec())
            .unwrap_or_default()
    };
    assert_eq!(from("127.0.0.2"), b"HTTP/1.1 200");
    assert_eq!(from("127.0.0.3"), b"");
}
