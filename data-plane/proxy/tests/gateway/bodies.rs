use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::setup::{eventually, http, nodes, proxy_to};

const LARGE: usize = 32 * 1024 * 1024;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

#[test]
fn large_bodies_stream_both_ways() {
    let origin = Origin::answering(|seen| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            seen.body.len()
        )
        .into_bytes();
        answer.extend_from_slice(&seen.body);
        answer
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    let body = pattern(LARGE);
    client.send(format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {LARGE}\r\n\r\n"
    ));
    client.send(&body);
    let answer = client.answer(false);
    assert!(answer.body == body);
    assert_eq!(client.ask("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn chunked_bodies_stream_both_ways() {
    let origin = Origin::answering(|seen| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in seen.body.chunks(1000) {
            answer.extend_from_slice(format!("{:X};ext=\"1\"\r\n", piece.len()).as_bytes());
            answer.extend_from_slice(piece);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\nx-trailer: 1\r\n\r\n");
        answer
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    for size in [0, 1, 3000, 300_000] {
        let body = pattern(size);
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        for piece in body.chunks(7777) {
            client.send(format!("{:x}\r\n", piece.len()));
            client.send(piece);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        let answer = client.answer(false);
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "{size}");
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(origin.last().header("transfer-encoding"), Some("chunked"));
}

#[test]
fn body_that_ends_with_the_connection_is_passed_on_whole() {
    let origin = Origin::raw(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    assert_eq!(client.ask(get("/")).text(), "until the end");
    assert_eq!(client.ask(get("/")).text(), "until the end");
}

#[test]
fn slow_client_slows_the_node_down() {
    const OFFERED: usize = 256 * 1024 * 1024;
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let stalled = Arc::new(AtomicUsize::new(0));
    let seen_stalled = Arc::clone(&stalled);
    let origin = Origin::raw(move |peer| {
        peer.read();
        let stream = peer.reader.get_mut();
        stream.limit_writes(Duration::from_millis(500));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {OFFERED}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![7; 64 * 1024];
        while let Ok(size) = stream.write(&piece) {
            if counter.fetch_add(size, Ordering::SeqCst) >= OFFERED {
                break;
            }
        }
        seen_stalled.store(1, Ordering::SeqCst);
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    client.send(get("/"));
    assert_eq!(client.head().status, 200);
    eventually("the node stalls", || stalled.load(Ordering::SeqCst) == 1);
    let taken = written.load(Ordering::SeqCst);
    assert!(taken < 64 * 1024 * 1024, "{taken} bytes in flight");
}

#[test]
fn answer_before_the_end_of_the_request_reaches_the_client() {
    let origin = Origin::raw(|peer| {
        peer.read_head();
        peer.write("HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlarge");
        let mut rest = Vec::new();
        let _ = peer.reader.read_to_end(&mut rest);
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nbegin");
    let answer = client.answer(false);
    assert_eq!((answer.status, answer.text()), (413, "large"));
}

#[test]
fn answer_may_begin_while_the_request_goes_on() {
    let origin = Origin::raw(|peer| {
        peer.read_head();
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut piece = [0; 4];
        for _ in 0..3 {
            peer.reader.read_exact(&mut piece).unwrap();
            peer.write(format!("4\r\n{}\r\n", std::str::from_utf8(&piece).unwrap()));
        }
        peer.write("0\r\n\r\n");
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\n");
    assert_eq!(client.head().status, 200);
    for piece in ["ping", "pong", "done"] {
        client.send(piece);
        let mut echoed = [0; 9];
        client.reader.read_exact(&mut echoed).unwrap();
        assert_eq!(&echoed, format!("4\r\n{piece}\r\n").as_bytes());
    }
}

#[test]
fn client_that_waits_for_100_gets_it() {
    let origin = Origin::answering(|seen| ok(std::str::from_utf8(&seen.body).unwrap()));
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    client.send("PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("body");
    assert_eq!(client.answer(false).text(), "body");
    assert_eq!(origin.last().header("expect"), None);
}

#[test]
fn small_answers_on_one_client_connection_share_one_node_connection() {
    let origin = Origin::text("ok");
    let gateway = proxy_to(nodes(&[origin.address]));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..20 {
        assert_eq!(client.ask(get("/")).text(), "ok");
    }
    assert_eq!(ask(http(&gateway), get("/")).text(), "ok");
    assert_eq!(origin.connections(), 1);
    let stats = gateway.stats();
    assert_eq!((stats.upstream_connects, stats.upstream_reuses), (1, 20));
}
