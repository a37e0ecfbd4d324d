//! MQTT clients, balanced by their identifier.

use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::gateway::{GatewayConfig, Limits, Settings};

use super::bed::{Bed, Client, Node, listeners};

/// A CONNECT of MQTT 3.1.1.
fn connect(id: &str) -> String {
    let id = format!("\0{}{id}", char::from(id.len() as u8));
    let body = format!("\0\x04MQTT\x04\x02\0\x3c{id}");
    format!("\x10{}{body}", char::from(body.len() as u8))
}

fn route(nodes: &[&Node]) -> Value {
    let nodes: Vec<Value> = nodes
        .iter()
        .map(|node| json!({"host": "127.0.0.1", "port": node.address.port(), "weight": 1}))
        .collect();
    json!({
        "plugins": {"mqtt-proxy": {"protocol_level": 4}},
        "upstream": {"type": "chash", "key": "mqtt_client_id", "nodes": nodes}
    })
}

/// The node that a client gets to, whose packet comes in pieces and gets there whole.
fn node_of(bed: &Bed, id: &str) -> String {
    let mut client = bed.connect();
    let packet = connect(id);
    let (first, rest) = packet.split_at(7);
    client.send(first.as_bytes());
    client.send(rest.as_bytes());
    let name = client.take(1);
    assert_eq!(client.take(packet.len()), packet);
    client.echo("and what follows");
    name
}

#[test]
fn a_client_comes_back_to_its_node() {
    let (one, two) = (Node::echo("1"), Node::echo("2"));
    let bed = Bed::new(&[("stream_routes/1", route(&[&one, &two]))]);
    let mut seen = Vec::new();
    for number in 0..16 {
        let id = format!("sensor-{number}");
        let node = node_of(&bed, &id);
        assert_eq!(node_of(&bed, &id), node, "{id}");
        seen.push(node);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["1", "2"]);
}

fn refused(mut client: Client, bed: &Bed, sent: &[u8], status: u16, reason: &str) {
    client.send(sent);
    assert_eq!(client.rest(), b"");
    let line = bed.lines(1).pop().unwrap();
    assert_eq!(line["status"], status);
    assert_eq!(line["reason"], reason);
}

#[test]
fn what_is_no_mqtt_gets_to_no_node() {
    let node = Node::echo("1");
    let bed = Bed::new(&[("stream_routes/1", route(&[&node]))]);
    let client = bed.connect();
    refused(client, &bed, b"GET / HTTP/1.1\r\n", 503, "plugin_refused");
    assert_eq!(node.count(), 0);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let node = Node::echo("1");
    let settings = Settings {
        limits: Limits {
            header: Duration::from_millis(200),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let config = GatewayConfig {
        settings,
        ..listeners()
    };
    let bed = Bed::with(config, &[("stream_routes/1", route(&[&node]))]);
    let client = bed.connect();
    refused(
        client,
        &bed,
        &connect("a").as_bytes()[..5],
        408,
        "client_timeout",
    );
    assert_eq!(node.count(), 0);
}
