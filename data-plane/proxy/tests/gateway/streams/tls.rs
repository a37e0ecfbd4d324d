//! TLS that ends at the gateway, and TLS to nodes.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::bed::{Bed, Node};
use crate::authority::{Authority, Issued, server};
use crate::setup::{nodes, with};

/// What a client of TLS reads to the end after it said `hello`; `None` when it was refused.
fn ask(address: SocketAddr, ca: &Authority, name: &str, shown: Option<&Issued>) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let chain = CertificateDer::pem_slice_iter(issued.cert.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            let chain = chain.collect::<Result<_, _>>().unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    // A protocol that the gateway knows nothing of.
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.ok()?;
        stream.write_all(b"hello").await.ok()?;
        stream.shutdown().await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    })
}

fn ssl(ca: &Authority, name: &str, more: Value) -> Value {
    let issued = ca.issue(name);
    with(
        json!({"sni": name, "cert": issued.cert, "key": issued.key}),
        more,
    )
}

/// A node that speaks TLS and says back what it was told.
fn echo(issued: &Issued) -> SocketAddr {
    let config = server(issued, None);
    let node = Node::serving(move |stream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut told = Vec::new();
        // A client that does not like the certificate is gone by now.
        if stream.read_to_end(&mut told).is_ok() {
            stream.write_all(&told).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
    });
    node.address
}

#[test]
fn names_choose_the_certificate_and_the_route() {
    let ca = Authority::new();
    let (exact, wide, rest) = (
        Node::echo("exact "),
        Node::echo("wide "),
        Node::echo("rest "),
    );
    let route = |sni: Option<&str>, node: &Node| {
        let mut route = json!({"upstream": nodes(&[node.address])});
        if let Some(sni) = sni {
            route["sni"] = json!(sni);
        }
        route
    };
    let bed = Bed::new(&[
        ("ssls/1", ssl(&ca, "*.a.test", json!({}))),
        ("ssls/2", ssl(&ca, "b.test", json!({}))),
        ("stream_routes/1", route(None, &rest)),
        ("stream_routes/2", route(Some("*.a.test"), &wide)),
        ("stream_routes/3", route(Some("x.a.test"), &exact)),
    ]);
    let asked = |name: &str| ask(bed.tcp(2), &ca, name, None);
    assert_eq!(asked("X.a.test").as_deref(), Some("exact hello"));
    assert_eq!(asked("y.a.test").as_deref(), Some("wide hello"));
    assert_eq!(asked("b.test").as_deref(), Some("rest hello"));
    assert_eq!(asked("unknown.test"), None);
    let lines = bed.lines(4);
    assert_eq!(lines[0]["sni"], "x.a.test");
    assert_eq!(lines[0]["protocol"], "TLS");
    assert_eq!(lines[3]["reason"], "tls_refused");
}

#[test]
fn a_name_that_wants_client_certificates_lets_nobody_else_in() {
    let (ca, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let node = Node::echo("in ");
    let client = json!({"client": {"ca": clients.pem()}});
    let partly = json!({"client": {"ca": clients.pem(), "skip_mtls_uri_regex": ["^/free"]}});
    let bed = Bed::new(&[
        ("ssls/1", ssl(&ca, "closed.test", client)),
        ("ssls/2", ssl(&ca, "partly.test", partly)),
        (
            "stream_routes/1",
            json!({"upstream": nodes(&[node.address])}),
        ),
    ]);
    for name in ["closed.test", "partly.test"] {
        let asked = |shown: Option<&Issued>| {
            ask(bed.tcp(2), &ca, name, shown).filter(|answer| !answer.is_empty())
        };
        assert_eq!(
            asked(Some(&clients.issue("alice"))).as_deref(),
            Some("in hello")
        );
        assert_eq!(asked(Some(&others.issue("alice"))), None, "{name}");
        assert_eq!(asked(None), None, "{name}");
    }
    assert_eq!(node.count(), 2);
}

#[test]
fn nodes_are_spoken_to_in_tls_and_asked_for_the_clients_name() {
    let (ca, inside) = (Authority::new(), Authority::new());
    let node = echo(&inside.issue("db.test"));
    let upstream = |tls: Value| with(nodes(&[node]), json!({"scheme": "tls", "tls": tls}));
    let verified = json!({"verify": true, "ca_certs": inside.pem()});
    let other = json!({"verify": true, "ca_certs": ca.pem()});
    for (name, tls, expected) in [
        ("db.test", verified.clone(), Some("hello")),
        ("other.test", verified, None),
        ("db.test", other, None),
        ("db.test", json!({}), Some("hello")),
    ] {
        let bed = Bed::new(&[
            ("ssls/1", ssl(&ca, name, json!({}))),
            ("stream_routes/1", json!({"upstream": upstream(tls)})),
        ]);
        let answer = ask(bed.tcp(2), &ca, name, None).filter(|answer| !answer.is_empty());
        let line = bed.lines(1).remove(0);
        assert_eq!(answer.as_deref(), expected, "{line}");
        if expected.is_none() {
            assert!(
                line["reason"].as_str().unwrap().starts_with("tls_"),
                "{line}"
            );
        }
    }
}
