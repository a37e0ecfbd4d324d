//! One connection: both ways, to its end, and what the log tells of it.

use std::io::{Read, Write};
use std::net::Shutdown;

use serde_json::json;

use super::bed::{Bed, Client, Node};
use crate::origin::closed_address;
use crate::setup::{nodes, with};

#[test]
fn bytes_go_both_ways_and_each_side_may_end_first() {
    // Answers only when the client has ended.
    let node = Node::serving(|mut stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
        write!(stream, "{} {sum}", bytes.len()).unwrap();
    });
    let bed = Bed::new(&[(
        "stream_routes/1",
        json!({"name": "sum", "upstream": nodes(&[node.address])}),
    )]);
    let mut client = bed.connect();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    let sum: u64 = sent.iter().map(|byte| u64::from(*byte)).sum();
    client.send(&sent);
    client.end();
    let answer = String::from_utf8(client.rest()).unwrap();
    assert_eq!(answer, format!("3000000 {sum}"));
    let line = bed.lines(1).remove(0);
    assert_eq!(line["kind"], "stream");
    assert_eq!(line["protocol"], "TCP");
    assert_eq!(line["status"], 200);
    assert_eq!(line["route_id"], "1");
    assert_eq!(line["received_bytes"], 3_000_000);
    assert_eq!(line["sent_bytes"], answer.len());
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["server"], bed.tcp(0).to_string());
    assert_eq!(line["upstream_addr"], node.address.to_string());
    assert_eq!(line["tries"][0]["outcome"], "answered");
    assert!(line.get("reason").is_none(), "{line}");
    assert_eq!(bed.metric("weir_proxy_streams_total"), 1);
    assert_eq!(bed.metric("weir_proxy_streams"), 0);
    assert_eq!(
        bed.metric("weir_proxy_stream_received_bytes_total"),
        3_000_000
    );
    let of_route = "weir_proxy_stream_route_received_bytes_total{route=\"1\"}";
    assert_eq!(bed.metric(of_route), 3_000_000);
    let open = "weir_proxy_stream_route_streams{route=\"1\"}";
    assert_eq!(bed.metric(open), 0);
}

#[test]
fn the_node_may_end_first() {
    let node = Node::serving(|mut stream| {
        stream.write_all(b"bye").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut late = String::new();
        stream.read_to_string(&mut late).unwrap();
        assert_eq!(late, "late");
    });
    let upstream = nodes(&[node.address]);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let mut client = bed.connect();
    assert_eq!(client.rest(), b"bye");
    client.send(b"late");
    client.end();
    let line = bed.lines(1).remove(0);
    assert_eq!(
        (&line["status"], &line["received_bytes"]),
        (&json!(200), &json!(4))
    );
}

#[test]
fn a_node_that_is_down_is_passed_over() {
    let node = Node::echo("up ");
    let upstream = nodes(&[closed_address(), node.address]);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    for _ in 0..3 {
        let mut client = bed.connect();
        assert_eq!(client.take(3), "up ");
        client.echo("hello");
    }
    let lines = bed.lines(3);
    assert_eq!(lines[0]["tries"][0]["reason"], "upstream_connect_refused");
    assert_eq!(lines[0]["tries"][1]["addr"], node.address.to_string());
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(bed.metric("weir_proxy_upstream_retries_total"), 3);
}

#[test]
fn streams_that_lead_nowhere_are_closed_with_a_reason() {
    let down = nodes(&[closed_address(), closed_address()]);
    let once = with(down.clone(), json!({"retries": 0}));
    for (route, reason, tries) in [
        (json!({ "upstream": down }), "upstream_connect_refused", 2),
        (json!({ "upstream": once }), "upstream_connect_refused", 1),
        (json!({"upstream": {"nodes": {}}}), "no_nodes", 0),
        (json!({"upstream_id": "none"}), "upstream_missing", 0),
        (json!({"service_id": "none"}), "service_missing", 0),
        (json!({}), "no_upstream", 0),
        (json!({"server_port": 1}), "no_route", 0),
    ] {
        let bed = Bed::new(&[("stream_routes/1", route.clone())]);
        assert_eq!(bed.connect().rest(), b"", "{route}");
        let line = bed.lines(1).remove(0);
        assert_eq!(line["reason"], reason, "{line}");
        assert!(line["status"].as_u64().unwrap() >= 400, "{line}");
        let made = line["tries"].as_array().map_or(0, Vec::len);
        assert_eq!(made, tries, "{line}");
    }
}

#[test]
fn a_client_that_goes_away_and_a_node_that_breaks_are_told_apart() {
    let abort = |stream: &std::net::TcpStream| {
        let socket = socket2::SockRef::from(stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    };
    let node = Node::serving(move |mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        if byte == *b"x" {
            abort(&stream);
        } else {
            stream.write_all(b"y").unwrap();
            let _ = stream.read_exact(&mut byte);
        }
    });
    let upstream = nodes(&[node.address]);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let mut client = bed.connect();
    client.send(b"x");
    assert_eq!(client.rest(), b"");
    assert_eq!(bed.lines(1)[0]["reason"], "stream_broken");
    let mut client = bed.connect();
    client.send(b"z");
    assert_eq!(client.take(1), "y");
    abort(&client.0);
    drop(client);
    assert_eq!(bed.lines(2)[1]["reason"], "client_gone");
}

#[test]
fn two_listeners_are_told_apart_by_their_port() {
    let (one, two) = (Node::echo("one"), Node::echo("two"));
    let first = Bed::new(&[]);
    // Ports are known only once something listens.
    let route =
        |port: u16, node: &Node| json!({"server_port": port, "upstream": nodes(&[node.address])});
    let resources = [
        ("stream_routes/1", route(first.tcp(0).port(), &one)),
        ("stream_routes/2", route(first.tcp(1).port(), &two)),
    ];
    first.gateway.publish(crate::setup::runtime(&resources));
    assert_eq!(Client::connect(first.tcp(0)).take(3), "one");
    assert_eq!(Client::connect(first.tcp(1)).take(3), "two");
}
