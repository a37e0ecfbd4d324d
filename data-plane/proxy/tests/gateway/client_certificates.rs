//! Clients that must show a certificate: which are let in, and that nothing evades it.

use std::sync::Arc;

use rcgen::CertificateParams;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weir_proxy::gateway::{Gateway, GatewayConfig};

use super::authority::{Authority, Issued};
use super::origin::Origin;
use super::setup::{config, nodes, runtime, start};

/// A gateway whose names are all signed by one authority, with one route to a node.
struct Bed {
    servers: Authority,
    gateway: Gateway,
    node: Origin,
}

impl Bed {
    /// `names` with their `client` parts, null for none.
    fn new(names: &[(&str, Value)]) -> Self {
        let config = GatewayConfig {
            https: vec!["127.0.0.1:0".parse().unwrap()],
            ..config()
        };
        let bed = Self {
            gateway: start(config, None),
            servers: Authority::new(),
            node: Origin::text("secret"),
        };
        bed.publish(names);
        bed
    }

    /// From now on it has these names.
    fn publish(&self, names: &[(&str, Value)]) {
        let route = json!({"uri": "/*", "upstream": nodes(&[self.node.address])});
        let mut resources = vec![("routes/1".to_owned(), route)];
        for (at, (name, client)) in names.iter().enumerate() {
            let issued = self.servers.issue(name);
            let mut object = json!({"sni": name, "cert": issued.cert, "key": issued.key});
            if !client.is_null() {
                object["client"] = client.clone();
            }
            resources.push((format!("ssls/{at}"), object));
        }
        let resources: Vec<(&str, Value)> = resources
            .iter()
            .map(|(key, spec)| (key.as_str(), spec.clone()))
            .collect();
        self.gateway.publish(runtime(&resources));
    }

    /// The status of an answer, or `None` when TLS was refused.
    fn ask(&self, name: &str, host: &str, path: &str, shown: Option<&Issued>) -> Option<u16> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(self.exchange(name, host, path, shown))
    }

    async fn exchange(
        &self,
        name: &str,
        host: &str,
        path: &str,
        shown: Option<&Issued>,
    ) -> Option<u16> {
        let mut stream = self.connect(name, shown).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        // In TLS 1.3 a client learns only now that its certificate was refused.
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        status(&answer)
    }

    async fn connect(&self, name: &str, shown: Option<&Issued>) -> Option<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(self.servers.pem().as_bytes());
        roots.add(trusted.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::pem_slice_iter(issued.cert.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                let chain = chain.collect::<Result<_, _>>().unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let address = self.gateway.addresses().https[0];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.ok()
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// The status of one answer on a connection that stays open.
async fn keep_asking(stream: &mut TlsStream<TcpStream>, host: &str) -> Option<u16> {
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_ascii_lowercase();
        let (_, length) = length.split_once("content-length: ")?;
        let digits: String = length.chars().take_while(char::is_ascii_digit).collect();
        if body.len() >= digits.parse().ok()? {
            return status(&answer);
        }
    }
}

fn past(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}

#[test]
fn only_a_certificate_of_the_named_authority_that_holds_today_is_let_in() {
    let (clients, others) = (Authority::new(), Authority::new());
    let bed = Bed::new(&[("closed.test", json!({"ca": clients.pem()}))]);
    let ask = |shown: Option<&Issued>| bed.ask("closed.test", "closed.test", "/", shown);
    assert_eq!(ask(Some(&clients.issue("alice"))), Some(200));
    assert_eq!(ask(None), None);
    assert_eq!(ask(Some(&others.issue("alice"))), None);
    assert_eq!(ask(Some(&clients.issue_with("alice", past))), None);
}

#[test]
fn depth_bounds_the_certificates_in_between() {
    let clients = Authority::new();
    let first = clients.intermediate();
    let second = first.intermediate();
    let ca = clients.pem();
    let bed = Bed::new(&[
        ("default.test", json!({"ca": ca})),
        ("none.test", json!({"ca": ca, "depth": 0})),
        ("two.test", json!({"ca": ca, "depth": 2})),
    ]);
    let with = |issued: Issued, chain: &[&Authority]| Issued {
        cert: issued.cert + &chain.iter().map(|one| one.pem()).collect::<String>(),
        key: issued.key,
    };
    let direct = clients.issue("alice");
    let one = with(first.issue("alice"), &[&first]);
    let both = with(second.issue("alice"), &[&second, &first]);
    for (name, shown, expected) in [
        ("none.test", &direct, Some(200)),
        ("none.test", &one, None),
        ("default.test", &direct, Some(200)),
        ("default.test", &one, Some(200)),
        ("default.test", &both, None),
        ("two.test", &both, Some(200)),
    ] {
        let chain = shown.cert.matches("BEGIN").count();
        assert_eq!(
            bed.ask(name, name, "/", Some(shown)),
            expected,
            "{name} {chain}"
        );
    }
}

#[test]
fn paths_that_are_skipped_need_none_and_all_others_do() {
    let (clients, others) = (Authority::new(), Authority::new());
    let skipping = json!({"ca": clients.pem(), "skip_mtls_uri_regex": ["^/free"]});
    let bed = Bed::new(&[("partly.test", skipping)]);
    let ask =
        |path: &str, shown: Option<&Issued>| bed.ask("partly.test", "partly.test", path, shown);
    assert_eq!(ask("/free/x", None), Some(200));
    assert_eq!(ask("/other", None), Some(400));
    // The path counts as it is routed.
    assert_eq!(ask("/free/../other", None), Some(400));
    let good = clients.issue("alice");
    assert_eq!(ask("/other", Some(&good)), Some(200));
    // A certificate that is shown must be good, whatever the path.
    assert_eq!(ask("/free", Some(&others.issue("alice"))), None);
    assert_eq!(ask("/free", Some(&clients.issue_with("alice", past))), None);
}

#[test]
fn a_host_that_wants_certificates_is_not_reached_under_another_name() {
    let clients = Authority::new();
    let bed = Bed::new(&[
        ("closed.test", json!({"ca": clients.pem()})),
        ("open.test", Value::Null),
    ]);
    let good = clients.issue("alice");
    assert_eq!(bed.ask("open.test", "open.test", "/", None), Some(200));
    assert_eq!(bed.ask("open.test", "closed.test", "/", None), Some(400));
    assert_eq!(
        bed.ask("open.test", "closed.test", "/", Some(&good)),
        Some(400)
    );
    assert_eq!(
        bed.ask("closed.test", "open.test", "/", Some(&good)),
        Some(400)
    );
}

#[test]
fn an_open_connection_is_measured_by_the_check_as_it_is_now() {
    let (clients, others) = (Authority::new(), Authority::new());
    let both = format!("{}{}", clients.pem(), others.pem());
    let check = |ca: &str| [("closed.test", json!({"ca": ca}))];
    let bed = Bed::new(&check(clients.pem()));
    let good = clients.issue("alice");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stream = bed.connect("closed.test", Some(&good)).await.unwrap();
        for (ca, expected) in [
            (clients.pem(), Some(200)),
            (&both, Some(200)),
            (others.pem(), Some(400)),
            (others.pem(), Some(400)),
        ] {
            bed.publish(&check(ca));
            assert_eq!(keep_asking(&mut stream, "closed.test").await, expected);
        }
    });
    // A connection from before there was any check.
    let bed = Bed::new(&[("closed.test", Value::Null)]);
    runtime.block_on(async {
        let mut stream = bed.connect("closed.test", None).await.unwrap();
        assert_eq!(keep_asking(&mut stream, "closed.test").await, Some(200));
        bed.publish(&check(clients.pem()));
        assert_eq!(keep_asking(&mut stream, "closed.test").await, Some(400));
    });
}

#[test]
fn an_authority_that_is_none_is_refused_with_its_place() {
    let issued = Authority::new().issue("a.test");
    let text = "x".repeat(128);
    let object = json!({"sni": "a.test", "cert": issued.cert, "key": issued.key,
        "client": {"ca": text}});
    let set = super::setup::set(&[("ssls/1", object)]);
    let (_, report) = weir_proxy::runtime::compile(&set, None, &super::setup::env());
    let refused: Vec<String> = report
        .refused
        .iter()
        .map(|(key, problem)| format!("{key}: {problem}"))
        .collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("ssls/1: client.ca: "), "{refused:?}");
}
