//! Datagrams: sessions, sizes, answers, failures and limits.

use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use weir_plugin_api::Living;
use weir_proxy::gateway::{Gateway, GatewayConfig, Inherited, Settings, StreamSettings};

use super::bed::{Bed, datagram_node, deaf_address, listeners};
use crate::setup::{eventually, nodes, runtime, with};

fn ask(socket: &UdpSocket, question: &[u8]) -> Vec<u8> {
    socket.send(question).unwrap();
    receive(socket)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let size = socket.recv(&mut buffer).unwrap();
    buffer.truncate(size);
    buffer
}

fn text(socket: &UdpSocket, question: &str) -> String {
    String::from_utf8(ask(socket, question.as_bytes())).unwrap()
}

fn to(addresses: &[SocketAddr], more: Value) -> Value {
    json!({"upstream": with(nodes(addresses), more)})
}

#[test]
fn datagrams_keep_their_size_and_answers_their_way() {
    let node = datagram_node("n");
    let bed = Bed::new(&[("stream_routes/1", to(&[node], json!({})))]);
    let (one, two) = (bed.datagrams(), bed.datagrams());
    for size in [0, 1, 512, 1472, 9000, 60_000] {
        let sent = vec![b'x'; size];
        let answer = ask(&one, &sent);
        assert_eq!(answer.len(), size + 2, "{size}");
        assert_eq!(&answer[..2], b"n:");
    }
    assert_eq!(text(&two, "other"), "n:other");
    assert_eq!(text(&one, "again"), "n:again");
    assert_eq!(bed.metric("weir_proxy_streams_total"), 2);
    assert_eq!(bed.metric("weir_proxy_datagrams_received_total"), 8);
    eventually("the last answer is counted", || {
        bed.metric("weir_proxy_datagrams_sent_total") == 8
    });
    assert_eq!(bed.metric("weir_proxy_datagrams_dropped_total"), 0);
}

#[test]
fn ten_thousand_datagrams_come_back() {
    let node = datagram_node("n");
    let bed = Bed::new(&[("stream_routes/1", to(&[node], json!({})))]);
    let clients: Vec<UdpSocket> = (0..20).map(|_| bed.datagrams()).collect();
    // Few at a time: a burst beyond the buffers of the kernel is lost anywhere.
    for round in 0..50 {
        for client in &clients {
            for number in 0..10 {
                client.send(format!("{round} {number}").as_bytes()).unwrap();
            }
        }
        for client in &clients {
            for number in 0..10 {
                let answer = String::from_utf8(receive(client)).unwrap();
                assert_eq!(answer, format!("n:{round} {number}"), "in order");
            }
        }
    }
    assert_eq!(bed.metric("weir_proxy_datagrams_received_total"), 10_000);
    eventually("the last answer is counted", || {
        bed.metric("weir_proxy_datagrams_sent_total") == 10_000
    });
    assert_eq!(bed.metric("weir_proxy_streams_total"), 20);
}

#[test]
fn a_session_stays_with_its_node_and_sessions_are_spread() {
    let (one, two) = (datagram_node("1"), datagram_node("2"));
    let even = json!({"nodes": {one.to_string(): 1, two.to_string(): 1}});
    let hashed = with(even.clone(), json!({"type": "chash", "key": "remote_addr"}));
    for (upstream, expected) in [(even, 2), (hashed, 1)] {
        let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..6 {
            let client = bed.datagrams();
            let first = text(&client, "a");
            for _ in 0..3 {
                assert_eq!(text(&client, "a"), first);
            }
            seen.insert(first);
        }
        assert_eq!(seen.len(), expected);
    }
}

#[test]
fn a_node_where_nobody_listens_is_passed_over_and_nothing_is_lost() {
    let node = datagram_node("n");
    let bed = Bed::new(&[("stream_routes/1", to(&[deaf_address(), node], json!({})))]);
    let client = bed.datagrams();
    for number in 0..3 {
        client.send(format!("{number}").as_bytes()).unwrap();
    }
    for number in 0..3 {
        assert_eq!(receive(&client), format!("n:{number}").as_bytes());
    }
    assert_eq!(bed.metric("weir_proxy_upstream_retries_total"), 1);
    let all_deaf = to(&[deaf_address()], json!({}));
    let bed = Bed::new(&[("stream_routes/1", all_deaf)]);
    bed.datagrams().send(b"lost").unwrap();
    let line = bed.lines(1).remove(0);
    assert_eq!(line["reason"], "upstream_connect_refused", "{line}");
    assert_eq!(line["received_datagrams"], 1);
}

#[test]
fn a_silent_session_ends_and_the_next_datagram_begins_another() {
    let node = datagram_node("n");
    let timeout = json!({"timeout": {"connect": 1, "send": 1, "read": 0.3}});
    let bed = Bed::new(&[("stream_routes/1", to(&[node], timeout))]);
    let client = bed.datagrams();
    assert_eq!(text(&client, "a"), "n:a");
    let line = bed.lines(1).remove(0);
    assert_eq!(line["protocol"], "UDP");
    assert_eq!(line["status"], 200);
    assert_eq!(line["received_bytes"], 1);
    assert_eq!(line["sent_bytes"], 3);
    assert_eq!(line["sent_datagrams"], 1);
    assert_eq!(text(&client, "b"), "n:b");
    assert_eq!(bed.metric("weir_proxy_streams_total"), 2);
}

#[test]
fn sessions_are_bounded() {
    let node = datagram_node("n");
    let config = GatewayConfig {
        settings: Settings {
            streams: StreamSettings {
                udp_sessions: 3,
                ..StreamSettings::default()
            },
            ..Settings::default()
        },
        ..listeners()
    };
    let timeout = json!({"timeout": {"connect": 1, "send": 1, "read": 0.5}});
    let bed = Bed::with(config, &[("stream_routes/1", to(&[node], timeout))]);
    let clients: Vec<UdpSocket> = (0..3).map(|_| bed.datagrams()).collect();
    for client in &clients {
        assert_eq!(text(client, "a"), "n:a");
    }
    let late = bed.datagrams();
    late.send(b"late").unwrap();
    eventually("it is dropped", || {
        bed.metric("weir_proxy_datagrams_dropped_total") == 1
    });
    let failures = "weir_proxy_failures_total{reason=\"stream_sessions\"}";
    assert_eq!(bed.metric(failures), 1);
    bed.lines(3);
    eventually("there is room again", || {
        late.set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        late.send(b"again").unwrap();
        late.recv(&mut [0; 100]).is_ok()
    });
}

#[test]
fn refused_clients_cost_one_line_each_second() {
    let node = datagram_node("n");
    let plugins = json!({"ip-restriction": {"blacklist": ["127.0.0.1"]}});
    let mut route = to(&[node], json!({}));
    route["plugins"] = plugins;
    let bed = Bed::new(&[("stream_routes/1", route)]);
    let client = bed.datagrams();
    for _ in 0..50 {
        client.send(b"knock").unwrap();
    }
    eventually("all are dropped", || {
        bed.metric("weir_proxy_datagrams_dropped_total") >= 49
    });
    let lines = bed.lines(1);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["reason"], "plugin_refused");
}

#[test]
fn a_session_outlives_its_route() {
    let node = datagram_node("n");
    let bed = Bed::new(&[("stream_routes/1", to(&[node], json!({})))]);
    let client = bed.datagrams();
    assert_eq!(text(&client, "a"), "n:a");
    bed.gateway.publish(crate::setup::runtime(&[]));
    for _ in 0..20 {
        assert_eq!(text(&client, "b"), "n:b");
    }
    bed.datagrams().send(b"c").unwrap();
    assert_eq!(bed.lines(1)[0]["reason"], "no_route");
}

/// Every question is asked once and answered, whoever reads it.
#[test]
fn no_datagram_is_lost_while_another_gateway_takes_the_sockets() {
    let node = datagram_node("n");
    let bed = Bed::new(&[("stream_routes/1", to(&[node], json!({})))]);
    let over = AtomicBool::new(false);
    let clients: Vec<UdpSocket> = (0..8).map(|_| bed.datagrams()).collect();
    let asked = thread::scope(|scope| {
        let clients = clients.iter().map(|client| {
            let over = &over;
            scope.spawn(move || {
                let mut asked = 0;
                while !over.load(Ordering::SeqCst) {
                    let question = format!("question {asked}");
                    assert_eq!(text(client, &question), format!("n:{question}"));
                    asked += 1;
                }
                asked
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut gateway = bed.gateway;
        for workers in [3, 1, 2] {
            let before = gateway;
            gateway = succeed(&before, workers, to(&[node], json!({})));
            let drained = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap()
                .block_on(before.drain(Duration::from_secs(10)));
            assert_eq!(drained.unfinished, 0);
        }
        over.store(true, Ordering::SeqCst);
        let asked: Vec<u32> = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect();
        // Each queue of the largest of them is read.
        let sockets = |datagrams| gateway.sockets(datagrams).unwrap().len();
        assert_eq!(sockets(true) - sockets(false), 2 * 3);
        asked
    });
    assert!(asked.iter().all(|&asked| asked > 0), "{asked:?}");
}

/// A gateway with the sockets of another one, which serves.
fn succeed(before: &Gateway, workers: usize, route: Value) -> Gateway {
    let addresses = before.addresses();
    let mut config = listeners();
    for (listener, address) in config.stream_tcp.iter_mut().zip(&addresses.stream_tcp) {
        listener.address = *address;
    }
    config.stream_udp = addresses.stream_udp.clone();
    config.workers = NonZeroUsize::new(workers).unwrap();
    let mut inherited = Inherited::new(before.sockets(true).unwrap()).unwrap();
    let gateway = Gateway::bind(config, Living::default(), &mut inherited).unwrap();
    assert_eq!(inherited.left().count(), 0);
    gateway.publish(runtime(&[("stream_routes/1", route)]));
    gateway.serve().unwrap();
    gateway
}
