//! Open streams: changes of the configuration do not touch them, a drain lets them finish.

use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::gateway::Drained;

use super::bed::{Bed, Client, Node};
use crate::setup::{eventually, nodes, runtime};

fn drain(bed: &Bed, limit: Duration) -> Drained {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(bed.gateway.drain(limit))
}

#[test]
fn no_change_closes_a_stream() {
    let (old, new) = (Node::echo("old"), Node::echo("new"));
    let route = |node: &Node| json!({"upstream": nodes(&[node.address])});
    let bed = Bed::new(&[("stream_routes/1", route(&old))]);
    let mut open: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = bed.connect();
            assert_eq!(client.take(3), "old");
            client
        })
        .collect();
    let datagrams = bed.datagrams();
    for round in 0..100 {
        let resources = match round % 3 {
            0 => vec![("stream_routes/1", route(&new))],
            1 => vec![],
            _ => vec![
                ("stream_routes/2", route(&new)),
                ("stream_routes/1", route(&old)),
            ],
        };
        bed.gateway.publish(runtime(&resources));
        for client in &mut open {
            client.echo(&format!("round {round}"));
        }
    }
    drop(datagrams);
    bed.gateway
        .publish(runtime(&[("stream_routes/1", route(&new))]));
    eventually("new connections see the new route", || {
        bed.connect().0.peer_addr().is_ok() && bed.connect().take(3) == "new"
    });
    for client in &mut open {
        client.echo("still here");
    }
}

#[test]
fn a_drain_waits_for_streams_to_finish() {
    let node = Node::echo("hi");
    let upstream = nodes(&[node.address]);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let mut client = bed.connect();
    client.take(2);
    let address = bed.tcp(0);
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| drain(&bed, Duration::from_secs(20)));
        eventually("nobody listens", || {
            std::net::TcpStream::connect(address).is_err()
        });
        client.echo("unhurried");
        client.end();
        client.rest();
        assert_eq!(draining.join().unwrap().unfinished, 0);
    });
    // Who asks whether somebody listens may be let in, and is in the log then.
    let of_client = |line: &Value| line["received_bytes"] == "unhurried".len();
    eventually("the log has the stream", || {
        bed.lines(1).iter().any(of_client)
    });
    let line = bed.lines(1).into_iter().find(of_client).unwrap();
    assert_eq!(line["status"], 200);
}

#[test]
fn a_drain_ends_by_its_deadline() {
    let node = Node::echo("hi");
    let upstream = nodes(&[node.address]);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let mut client = bed.connect();
    client.take(2);
    client.echo("in the middle");
    assert_eq!(drain(&bed, Duration::from_millis(200)).unfinished, 1);
    assert_eq!(client.rest(), b"");
    let line = bed.lines(1).remove(0);
    assert_eq!(line["reason"], "shutdown");
    assert_eq!(line["received_bytes"], 13);
}
