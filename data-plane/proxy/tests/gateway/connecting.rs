//! How nodes are reached: Unix sockets, PROXY headers, names with several addresses.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::client::{Client, ask, get};
use super::origin::{Origin, Peer, ok};
use super::setup::{http, nodes, proxy_to, with};

#[test]
fn node_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut peer = Peer {
                reader: BufReader::new(Box::new(stream)),
            };
            while let Some(request) = peer.read() {
                peer.write(ok(request.header("host").unwrap()));
            }
        }
    });
    let node = format!("unix:{}", path.display());
    let spec = json!({ "nodes": { node: 1 }, "pass_host": "node" });
    let gateway = proxy_to(spec);
    let mut client = Client::connect(http(&gateway));
    for _ in 0..2 {
        assert_eq!(client.ask(get("/")).text(), "localhost");
    }
    // Nobody listens any more where there is no socket.
    let gone = proxy_to(json!({ "nodes": { "unix:/nowhere/app.sock": 1 } }));
    assert_eq!(ask(http(&gone), get("/")).status, 502);
}

#[test]
fn node_is_told_the_client_before_anything_else() {
    for (version, expected) in [
        ("v1", "PROXY TCP4 127.0.0.1 127.0.0.1 "),
        ("v2", "\r\n\r\n\0\r\nQUIT\n"),
    ] {
        let origin = Origin::raw(move |peer| {
            let mut first = vec![0; expected.len()];
            peer.reader.read_exact(&mut first).unwrap();
            assert_eq!(first, expected.as_bytes());
            let facts = if version == "v1" {
                let mut rest = String::new();
                peer.reader.read_line(&mut rest).unwrap();
                rest.trim_end().to_owned()
            } else {
                let mut rest = [0; 16];
                peer.reader.read_exact(&mut rest).unwrap();
                assert_eq!(rest[..12], [0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1]);
                let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
                format!("{} {}", port(12), port(14))
            };
            while peer.read().is_some() {
                peer.write(ok(&facts));
            }
        });
        let gateway = proxy_to(with(
            nodes(&[origin.address]),
            json!({ "proxy_protocol": version }),
        ));
        let mut one = Client::connect(http(&gateway));
        let ports = |client: &Client| {
            let socket = client.reader.get_ref();
            format!(
                "{} {}",
                socket.local_addr().unwrap().port(),
                http(&gateway).port()
            )
        };
        for _ in 0..2 {
            assert_eq!(one.ask(get("/")).text(), ports(&one));
        }
        assert_eq!(origin.connections(), 1);
        // Another client's requests never go out under the name of the first.
        let mut two = Client::connect(http(&gateway));
        assert_eq!(two.ask(get("/")).text(), ports(&two));
        assert_eq!(origin.connections(), 2);
    }
}

#[test]
fn addresses_of_a_name_take_turns_and_stand_in_for_each_other() {
    // `localhost` has an IPv4 address; whether it has an IPv6 one as well depends on the machine.
    let origin = Origin::text("here");
    let node = format!("localhost:{}", origin.address.port());
    let gateway = proxy_to(json!({ "nodes": { node: 1 }, "retries": 0 }));
    for _ in 0..8 {
        assert_eq!(ask(http(&gateway), get("/")).text(), "here");
    }
}
