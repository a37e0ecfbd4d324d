//! TLS handshakes that do not end by themselves: slow, endless, or no TLS at all.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use weir_proxy::gateway::{Gateway, GatewayConfig};

use super::setup::{config, eventually, start};

const LIMIT: Duration = Duration::from_millis(400);
/// Within this a connection is closed on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn gateway() -> Gateway {
    let mut config = GatewayConfig {
        https: vec!["127.0.0.1:0".parse().unwrap()],
        ..config()
    };
    config.settings.limits.handshake = LIMIT;
    start(config, Some(super::setup::runtime(&[])))
}

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.addresses().https[0]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads to the end, which must come.
fn ends(mut stream: TcpStream) {
    let mut read = Vec::new();
    if let Err(error) = stream.read_to_end(&mut read) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
}

fn counted(gateway: &Gateway, kind: &str, count: u32) {
    let line = format!("weir_proxy_tls_handshake_failures_total{{kind=\"{kind}\"}} {count}\n");
    eventually(&line, || {
        let mut text = String::new();
        gateway.metrics_text(&mut text);
        text.contains(&line)
    });
}

#[test]
fn a_silent_client_is_closed_after_the_time_of_a_handshake() {
    let gateway = gateway();
    let begun = Instant::now();
    ends(connect(&gateway));
    assert!(begun.elapsed() >= LIMIT, "{:?}", begun.elapsed());
    counted(&gateway, "timeout", 1);
}

#[test]
fn a_dripping_client_has_the_same_time_in_all() {
    let gateway = gateway();
    let mut stream = connect(&gateway);
    let begun = Instant::now();
    // The head of a record that announces much, then a byte now and then.
    stream.write_all(&[22, 3, 1, 2, 0]).unwrap();
    let mut dripping = stream.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while begun.elapsed() < PATIENCE && dripping.write_all(&[1]).is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    ends(stream);
    assert!(begun.elapsed() >= LIMIT, "{:?}", begun.elapsed());
    drip.join().unwrap();
    assert!(begun.elapsed() < PATIENCE);
    counted(&gateway, "timeout", 1);
}

#[test]
fn a_hello_without_end_is_refused_long_before_it_takes_memory() {
    let gateway = gateway();
    let mut stream = connect(&gateway);
    // A handshake message of 16 MiB less a byte, in records of 16 KiB.
    let mut record = vec![22, 3, 1, 0x40, 0];
    record.extend([0; 0x4000]);
    record[5..9].copy_from_slice(&[1, 0xff, 0xff, 0xff]);
    let mut sent = 0;
    while sent < 16 << 20 && stream.write_all(&record).is_ok() {
        sent += record.len();
        record[5..9].copy_from_slice(&[0; 4]);
    }
    ends(stream);
    counted(&gateway, "malformed", 1);
    counted(&gateway, "timeout", 0);
}

#[test]
fn another_protocol_is_refused_at_once() {
    let gateway = gateway();
    let mut stream = connect(&gateway);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    ends(stream);
    counted(&gateway, "malformed", 1);
}
