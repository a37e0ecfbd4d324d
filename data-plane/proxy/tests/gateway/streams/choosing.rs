//! Which node a stream goes to, and what plugins say to it.

use std::collections::HashMap;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::bed::{Bed, Client, Node, any};
use crate::setup::{eventually, nodes, with};

/// An upstream that takes its nodes evenly.
fn evenly(nodes: &[&Node]) -> Value {
    let nodes = nodes
        .iter()
        .map(|node| (node.address.to_string(), json!(1)));
    json!({"nodes": Value::Object(nodes.collect())})
}

#[test]
fn connections_are_spread_and_hashed() {
    let (one, two) = (Node::echo("one"), Node::echo("two"));
    let spread = evenly(&[&one, &two]);
    let hashed = with(
        spread.clone(),
        json!({"type": "chash", "key": "remote_addr"}),
    );
    for (upstream, expected) in [(spread, 2), (hashed, 1)] {
        let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
        let mut seen: HashMap<String, u32> = HashMap::new();
        for _ in 0..10 {
            *seen.entry(bed.connect().take(3)).or_default() += 1;
        }
        assert_eq!(seen.len(), expected, "{seen:?}");
        assert!(
            seen.values().all(|count| count * expected as u32 == 10),
            "{seen:?}"
        );
    }
}

#[test]
fn open_connections_count_for_the_least_loaded_node() {
    let (one, two) = (Node::echo("one"), Node::echo("two"));
    let upstream = with(evenly(&[&one, &two]), json!({"type": "least_conn"}));
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let open: Vec<Client> = (0..6)
        .map(|_| {
            let mut client = bed.connect();
            client.take(3);
            client
        })
        .collect();
    assert_eq!((one.count(), two.count()), (3, 3));
    drop(open);
}

#[test]
fn a_node_that_fails_its_checks_gets_nothing_until_it_is_back() {
    let node = Node::echo("up ");
    // Bound but not listening yet.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&any().into()).unwrap();
    let flapping = socket.local_addr().unwrap().as_socket().unwrap();
    let checks = json!({"active": {
        "type": "tcp",
        "healthy": {"interval": 1, "successes": 1},
        "unhealthy": {"interval": 1, "tcp_failures": 1}
    }});
    let upstream = with(
        nodes(&[flapping, node.address]),
        json!({ "checks": checks }),
    );
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let tries = |bed: &Bed| {
        let mut client = bed.connect();
        client.end();
        client.rest();
    };
    let mut lines = 0;
    eventually("the node that is down is not tried any more", || {
        tries(&bed);
        lines += 1;
        bed.lines(lines)[lines - 1]["tries"]
            .as_array()
            .unwrap()
            .len()
            == 1
    });
    socket.listen(16).unwrap();
    let listener: TcpListener = socket.into();
    listener.set_nonblocking(false).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream)
        }
    });
    eventually("it is preferred again", || {
        tries(&bed);
        lines += 1;
        let line = &bed.lines(lines)[lines - 1];
        line["upstream_addr"] == flapping.to_string()
    });
}

#[test]
fn failed_connects_are_passive_checks() {
    let node = Node::echo("up ");
    let checks = json!({"passive": {"type": "tcp", "unhealthy": {"tcp_failures": 2}}});
    let upstream = with(
        nodes(&[crate::origin::closed_address(), node.address]),
        json!({ "checks": checks }),
    );
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    for _ in 0..4 {
        let mut client = bed.connect();
        client.take(3);
        client.end();
        client.rest();
    }
    let lines = bed.lines(4);
    let tries: Vec<usize> = lines
        .iter()
        .map(|line| line["tries"].as_array().unwrap().len())
        .collect();
    assert_eq!(tries, [2, 2, 1, 1]);
}

#[test]
fn plugins_of_the_route_come_before_those_of_the_service() {
    let node = Node::echo("in ");
    let service = json!({
        "upstream": nodes(&[node.address]),
        "plugins": {
            "ip-restriction": {"blacklist": ["127.0.0.0/8"]},
            "limit-req": {"rate": 1, "burst": 0, "key": "uri"}
        }
    });
    let own = json!({"ip-restriction": {"whitelist": ["127.0.0.1"]}});
    let never = json!({"ip-restriction": {
        "blacklist": ["127.0.0.1"], "_meta": {"filter": [["remote_addr", "==", "10.0.0.1"]]}
    }});
    for (route, admitted) in [
        (json!({"service_id": 1}), false),
        (json!({"service_id": 1, "plugins": own}), true),
        (json!({"service_id": 1, "plugins": never}), true),
    ] {
        let runtime = crate::setup::runtime_with_plugins(&[
            ("services/1", service.clone()),
            ("stream_routes/1", route.clone()),
        ]);
        let bed = Bed::new(&[]);
        bed.gateway.publish(runtime);
        let text = if admitted { "in " } else { "" };
        let mut client = bed.connect();
        client.end();
        assert_eq!(client.rest(), text.as_bytes(), "{route}");
        let line = bed.lines(1).remove(0);
        if !admitted {
            assert_eq!(line["reason"], "plugin_refused", "{line}");
            assert_eq!(line["status"], 403, "{line}");
        }
    }
}
