//! PROXY headers in front of streams, from balancers and to nodes.

use serde_json::json;
use weir_proxy::gateway::{GatewayConfig, Settings, StreamSettings};

use super::bed::{Bed, Node, listeners};
use crate::setup::{nodes, with};

fn settings(relayed: bool, tell_nodes: bool) -> GatewayConfig {
    GatewayConfig {
        settings: Settings {
            streams: StreamSettings {
                relayed,
                tell_nodes,
                ..StreamSettings::default()
            },
            ..Settings::default()
        },
        ..listeners()
    }
}

#[test]
fn nodes_are_told_the_client() {
    let node = Node::echo("");
    let plain = nodes(&[node.address]);
    let second = with(plain.clone(), json!({"proxy_protocol": "v1"}));
    for (config, upstream) in [
        (settings(false, true), plain),
        (settings(false, false), second),
    ] {
        let bed = Bed::with(
            config,
            &[("stream_routes/1", json!({ "upstream": upstream }))],
        );
        let mut client = bed.connect();
        let own = client.0.local_addr().unwrap();
        client.send(b"hello");
        client.end();
        let told = String::from_utf8(client.rest()).unwrap();
        let (from, to) = (own.port(), bed.tcp(0).port());
        assert_eq!(
            told,
            format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\nhello")
        );
    }
}

#[test]
fn a_header_from_in_front_says_who_the_client_is() {
    let node = Node::echo("");
    let route = json!({"remote_addr": "192.0.2.0/24", "upstream": nodes(&[node.address])});
    let bed = Bed::with(settings(true, true), &[("stream_routes/1", route)]);
    let mut client = bed.connect();
    let header = "PROXY TCP4 192.0.2.1 198.51.100.1 1234 443\r\n";
    client.send(format!("{header}hello").as_bytes());
    client.end();
    assert_eq!(client.rest(), format!("{header}hello").as_bytes());
    let line = bed.lines(1).remove(0);
    assert_eq!(line["client"], "192.0.2.1");
    for (count, sent, reason) in [
        (
            2,
            "PROXY TCP4 203.0.113.1 198.51.100.1 1234 443\r\n",
            "no_route",
        ),
        (
            3,
            "hello, this is no header of that kind\r\n",
            "bad_request",
        ),
    ] {
        let mut client = bed.connect();
        client.send(sent.as_bytes());
        assert_eq!(client.rest(), b"", "{sent}");
        assert_eq!(bed.lines(count).pop().unwrap()["reason"], reason);
    }
}
