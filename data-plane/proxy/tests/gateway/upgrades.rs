//! Upgrades to WebSocket: asked only where they are wanted, believed only when they are what was
//! asked for, and then a tunnel.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::gateway::{Gateway, GatewayConfig};
use weir_proxy::runtime::Runtime;
use weir_proxy::telemetry::access_log::AccessLog;

use super::client::{Client, ask, get};
use super::origin::{Origin, Peer, ok};
use super::retrying::telling;
use super::setup::{eventually, http, nodes, runtime, start, with};

/// The key of RFC 6455 section 1.3, and what accepts it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\n";

fn asking(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: ws.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\nsec-websocket-protocol: chat\r\n\r\n"
    )
}

fn sockets_to(upstream: Value) -> Arc<Runtime> {
    let route = json!({"uri": "/*", "enable_websocket": true, "upstream": upstream});
    runtime(&[("routes/1", route)])
}

/// A node that switches, then gives back every byte.
fn echo() -> Origin {
    Origin::raw(|peer| {
        let seen = peer.read_head().unwrap();
        assert_eq!(seen.header("upgrade"), Some("websocket"));
        assert_eq!(seen.header("connection"), Some("upgrade"));
        assert_eq!(seen.header("sec-websocket-key"), Some(KEY));
        peer.write(SWITCH);
        give_back(peer);
    })
}

fn give_back(peer: &mut Peer) {
    let mut piece = [0; 4096];
    while let Ok(size @ 1..) = peer.reader.read(&mut piece) {
        if !peer.write(&piece[..size]) {
            return;
        }
    }
}

fn open(gateway: &Gateway) -> Client {
    let mut client = Client::connect(http(gateway));
    client.send(asking("/"));
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!(head.header("upgrade"), Some("websocket"));
    assert_eq!(head.header("connection"), Some("upgrade"));
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(head.header("sec-websocket-protocol"), Some("chat"));
    client
}

fn exchange(client: &mut Client, text: &str) {
    client.send(text);
    let mut echoed = vec![0; text.len()];
    client.reader.read_exact(&mut echoed).unwrap();
    assert_eq!(echoed, text.as_bytes());
}

#[test]
fn bytes_go_both_ways_whatever_is_published_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let config = GatewayConfig {
        access_log: AccessLog::File(path.clone()),
        ..telling()
    };
    let gateway = start(config, Some(sockets_to(nodes(&[echo().address]))));
    let mut client = open(&gateway);
    for number in 0..1000 {
        exchange(&mut client, &format!("message {number}"));
        if number % 100 == 0 {
            gateway.publish(runtime(&[]));
        }
    }
    let large = "x".repeat(3_000_000);
    let mut writer = client.reader.get_ref().try_clone().unwrap();
    let text = large.clone();
    let sending = std::thread::spawn(move || writer.write_all(text.as_bytes()).unwrap());
    let mut echoed = vec![0; large.len()];
    client.reader.read_exact(&mut echoed).unwrap();
    assert!(echoed == large.as_bytes());
    sending.join().unwrap();
    assert_eq!(gateway.stats().in_flight, 1);
    // The node sees the end of what the client says, and answers with its own.
    client
        .reader
        .get_ref()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    assert!(client.is_closed());
    let line = || std::fs::read_to_string(&path).unwrap();
    eventually("the line is written", || line().ends_with('\n'));
    let line: Value = serde_json::from_str(line().trim_end()).unwrap();
    assert_eq!(line["status"], 101);
    assert_eq!(line.get("reason"), None);
    assert!(line["body_bytes"].as_u64().unwrap() > 3_000_000);
    assert!(line["request_bytes"].as_u64().unwrap() > 3_000_000);
    assert_eq!(gateway.stats().in_flight, 0);
}

#[test]
fn without_leave_the_wish_is_dropped() {
    let origin = Origin::text("plain");
    for route in [
        json!({"uri": "/*", "upstream": nodes(&[origin.address])}),
        json!({"uri": "/*", "enable_websocket": false, "upstream": nodes(&[origin.address])}),
    ] {
        let gateway = start(telling(), Some(runtime(&[("routes/1", route)])));
        assert_eq!(ask(http(&gateway), asking("/")).text(), "plain");
        assert_eq!(origin.last().header("upgrade"), None);
        assert_eq!(origin.last().header("connection"), None);
    }
}

#[test]
fn the_service_may_give_leave() {
    let upstream = nodes(&[echo().address]);
    let gateway = start(
        telling(),
        Some(runtime(&[
            (
                "services/1",
                json!({"enable_websocket": true, "upstream": upstream}),
            ),
            ("routes/1", json!({"uri": "/*", "service_id": "1"})),
        ])),
    );
    exchange(&mut open(&gateway), "hello");
}

#[test]
fn a_wish_that_is_malformed_is_refused() {
    let origin = Origin::text("plain");
    let gateway = start(telling(), Some(sockets_to(nodes(&[origin.address]))));
    for (from, to) in [
        (KEY, "short"),
        ("version: 13", "version: 8"),
        ("GET", "POST"),
        ("\r\n\r\n", "\r\ncontent-length: 1\r\n\r\nx"),
    ] {
        let answer = ask(http(&gateway), asking("/").replace(from, to));
        assert_eq!(answer.status, 400, "{to}");
        assert_eq!(answer.header("x-weir-reason"), Some("bad_request"));
    }
    assert_eq!(origin.connections(), 0);
    // Another protocol, or none, is nothing that is passed on.
    for other in ["h2c", "websocket, h2c", "TLS/1.2"] {
        let text = asking("/").replace("upgrade: websocket", &format!("upgrade: {other}"));
        assert_eq!(ask(http(&gateway), text).text(), "plain");
        assert_eq!(origin.last().header("upgrade"), None);
    }
}

#[test]
fn only_what_was_asked_for_is_believed() {
    for (answer, status) in [
        (SWITCH.replace("s3pP", "AAAA"), 502),
        (SWITCH.replace("upgrade: websocket", "upgrade: h2c"), 502),
        (
            SWITCH.replace("connection: Upgrade", "connection: close"),
            502,
        ),
        (SWITCH.replace("sec-websocket-accept", "x"), 502),
        (SWITCH.replace("HTTP/1.1", "HTTP/1.0"), 502),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno".to_owned(),
            403,
        ),
    ] {
        let origin = Origin::answering(move |_| answer.clone().into_bytes());
        let gateway = start(telling(), Some(sockets_to(nodes(&[origin.address]))));
        let mut client = Client::connect(http(&gateway));
        let found = client.ask(asking("/"));
        assert_eq!(found.status, status);
        // It is an ordinary answer, and HTTP goes on.
        assert_eq!(client.ask(asking("/")).status, status);
    }
    let unasked = Origin::answering(|_| SWITCH.as_bytes().to_vec());
    let gateway = start(telling(), Some(sockets_to(nodes(&[unasked.address]))));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-weir-reason"), Some("bad_response"));
}

#[test]
fn nothing_passes_before_the_node_has_switched() {
    let origin = Origin::raw(|peer| {
        let seen = peer.read_head().unwrap();
        assert_eq!(seen.header("upgrade"), Some("websocket"));
        // Whatever the client said behind its head is not here.
        let quiet = peer.reader.buffer().is_empty();
        peer.write(ok(if quiet { "quiet" } else { "noise" }));
        let next = peer.read_head().unwrap();
        peer.write(ok(&next.line));
    });
    let gateway = start(telling(), Some(sockets_to(nodes(&[origin.address]))));
    let mut client = Client::connect(http(&gateway));
    client.send(asking("/") + &get("/second"));
    assert_eq!(client.answer(false).text(), "quiet");
    // The node did not switch: what follows is a request like any other.
    assert_eq!(client.answer(false).text(), "GET /second HTTP/1.1");
}

#[test]
fn what_comes_early_is_passed_on_after_the_switch() {
    let gateway = start(telling(), Some(sockets_to(nodes(&[echo().address]))));
    let mut client = Client::connect(http(&gateway));
    client.send(asking("/") + "early");
    assert_eq!(client.head().status, 101);
    let mut echoed = [0; 5];
    client.reader.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"early");
}

#[test]
fn a_node_that_fails_before_the_switch_is_followed_by_the_next() {
    let both = nodes(&[super::origin::closed_address(), echo().address]);
    let gateway = start(telling(), Some(sockets_to(both)));
    exchange(&mut open(&gateway), "hello");
    assert_eq!(gateway.stats().retries, 1);
}

#[test]
fn a_quiet_tunnel_ends_by_the_limits_of_the_upstream() {
    let timeout = json!({"timeout": {"connect": 6, "send": 6, "read": 0.4}});
    let upstream = with(nodes(&[echo().address]), timeout);
    let gateway = start(telling(), Some(sockets_to(upstream)));
    let mut client = open(&gateway);
    for _ in 0..8 {
        std::thread::park_timeout(Duration::from_millis(100));
        exchange(&mut client, "alive");
    }
    assert!(client.is_closed());
    eventually("the reason is counted", || {
        gateway.stats().by_reason.get("timeout_read") == Some(&1)
    });
}

#[test]
fn a_drain_lets_tunnels_go_on_until_its_deadline() {
    let gateway = start(telling(), Some(sockets_to(nodes(&[echo().address]))));
    let mut client = open(&gateway);
    let gateway = Arc::new(gateway);
    let draining = Arc::clone(&gateway);
    let drain = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(draining.drain(Duration::from_secs(1)))
    });
    let address = http(&gateway);
    eventually("nobody listens", || {
        std::net::TcpStream::connect(address).is_err()
    });
    exchange(&mut client, "still here");
    assert!(client.is_closed());
    assert_eq!(drain.join().unwrap().unfinished, 1);
}
