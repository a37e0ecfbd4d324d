//! Time limits, bounded buffers, and limits of the upstream.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::bed::{Bed, Node};
use crate::setup::{eventually, nodes, with};

#[test]
fn a_silent_stream_ends() {
    let node = Node::echo("hi");
    let timeout = json!({"timeout": {"connect": 5, "send": 5, "read": 0.3}});
    let upstream = with(nodes(&[node.address]), timeout);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let mut client = bed.connect();
    assert_eq!(client.rest(), b"hi");
    assert_eq!(bed.lines(1)[0]["reason"], "stream_idle");
}

/// Writes until nothing is taken any more; how much was.
fn fill(stream: &mut TcpStream) -> usize {
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let piece = vec![7; 64 * 1024];
    let mut taken = 0;
    loop {
        match stream.write(&piece) {
            Ok(count) => taken += count,
            Err(error) => {
                let kinds = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                assert!(kinds.contains(&error.kind()), "{error}");
                return taken;
            }
        }
        assert!(taken < 64 << 20, "nothing holds the sender up");
    }
}

#[test]
fn who_does_not_read_holds_up_who_sends() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let node = Node::serving(move |mut stream| {
        gone.lock().unwrap().recv().unwrap();
        let mut count = 0;
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            count += read;
        }
        write!(stream, "{count}").unwrap();
    });
    let upstream = nodes(&[node.address]);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let mut client = bed.connect();
    let taken = fill(&mut client.0);
    go.send(()).unwrap();
    client.end();
    assert_eq!(client.rest(), taken.to_string().as_bytes());
}

#[test]
fn a_client_that_does_not_read_is_not_waited_for_forever() {
    let node = Node::serving(|mut stream| {
        let piece = vec![7; 64 * 1024];
        while stream.write_all(&piece).is_ok() {}
    });
    let timeout = json!({"timeout": {"connect": 5, "send": 0.3, "read": 60}});
    let upstream = with(nodes(&[node.address]), timeout);
    let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
    let _client = bed.connect();
    assert_eq!(bed.lines(1)[0]["reason"], "stream_stalled");
}

#[test]
fn places_of_the_upstream_are_those_of_its_streams() {
    for (limits, reason) in [
        (json!({"max_connections": 2}), "pending_overflow"),
        (json!({"max_requests": 2}), "upstream_overflow"),
        (json!({"node": {"max_connections": 2}}), "pending_overflow"),
    ] {
        let node = Node::echo("hi");
        let upstream = with(nodes(&[node.address]), json!({ "limits": limits }));
        let bed = Bed::new(&[("stream_routes/1", json!({ "upstream": upstream }))]);
        let mut open = [bed.connect(), bed.connect()];
        for client in &mut open {
            assert_eq!(client.take(2), "hi");
        }
        assert_eq!(bed.connect().rest(), b"");
        assert_eq!(bed.lines(1)[0]["reason"], reason, "{limits}");
        drop(open);
        eventually("a place is free again", || {
            let mut client = bed.connect();
            client.end();
            client.rest() == b"hi"
        });
    }
}
