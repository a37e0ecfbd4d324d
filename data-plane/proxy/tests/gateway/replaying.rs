//! Bodies of requests that are sent again, and their bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::client::{Client, ask};
use super::origin::{Origin, closed_address};
use super::retrying::{telling, telling_proxy_to, tries};
use super::setup::{everything_to, http, nodes, start};

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

/// Reads a request with a large body and closes without an answer; then answers others.
pub(crate) fn crashing_once() -> (Origin, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let origin = Origin::raw(move |peer| {
        if let Some(seen) = peer.read() {
            counter.fetch_add(seen.body.len(), Ordering::SeqCst);
        }
    });
    (origin, read)
}

#[test]
fn large_body_is_sent_again_byte_for_byte() {
    const SIZE: usize = 3 * 1024 * 1024 + 17;
    let (crashing, read) = crashing_once();
    let origin = Origin::text("kept");
    let gateway = telling_proxy_to(nodes(&[crashing.address, origin.address]));
    let body = pattern(SIZE);
    let mut client = Client::connect(http(&gateway));
    client.send(format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n"
    ));
    client.send(&body);
    let answer = client.answer(false);
    assert_eq!(
        (answer.text(), tries(&answer)),
        ("kept", vec!["502", "200"])
    );
    assert_eq!(read.load(Ordering::SeqCst), SIZE);
    assert!(origin.last().body == body);
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in body.chunks(50_000) {
        client.send(format!("{:x}\r\n", piece.len()));
        client.send(piece);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer(false).text(), "kept");
    assert!(origin.last().body == body);
}

#[test]
fn body_beyond_the_bound_or_a_full_disk_is_sent_once_and_goes_through() {
    for (size, total, folder) in [
        (100_000, u64::MAX, "/tmp"),
        (u64::MAX, 100_000, "/tmp"),
        (u64::MAX, u64::MAX, "/dev/null/no/folder"),
    ] {
        let (crashing, _) = crashing_once();
        let origin = Origin::text("fine");
        let mut config = telling();
        config.settings.replay.size = size;
        config.settings.replay.total = total;
        config.settings.replay.folder = folder.into();
        let routes = [
            (
                "routes/1",
                json!({ "uri": "/bad", "upstream": nodes(&[crashing.address, origin.address]) }),
            ),
            (
                "routes/2",
                json!({ "uri": "/good", "upstream": nodes(&[origin.address, closed_address()]) }),
            ),
        ];
        let gateway = start(config, Some(super::setup::runtime(&routes)));
        let body = pattern(400_000);
        let mut client = Client::connect(http(&gateway));
        for (path, status) in [("/bad", 502), ("/good", 200)] {
            client.send(format!(
                "PUT {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
                body.len()
            ));
            client.send(&body);
            let answer = client.answer(false);
            assert_eq!(answer.status, status, "{path} {size} {total} {folder}");
            assert_eq!(tries(&answer), [status.to_string()]);
        }
        assert!(origin.last().body == body);
    }
}

#[test]
fn body_beyond_client_max_body_size_gets_413() {
    let origin = Origin::text("fine");
    let mut config = telling();
    config.settings.limits.body_bytes = Some(1000);
    let gateway = start(config, Some(everything_to(nodes(&[origin.address]))));
    let fits = format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{}",
        "x".repeat(1000)
    );
    assert_eq!(ask(http(&gateway), fits).text(), "fine");
    let announced = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n";
    let chunked = format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    for request in [announced, &chunked] {
        let mut client = Client::connect(http(&gateway));
        let answer = client.ask(request);
        assert_eq!(answer.status, 413);
        assert_eq!(answer.header("x-weir-reason"), Some("body_too_large"));
        assert!(answer.text().contains("413 Request Entity Too Large"));
    }
    assert_eq!(origin.seen().len(), 1, "no node was sent a whole body");
}
