//! Certificates change while clients come and stay: no handshake fails and no connection is closed
//! for it, towards clients and towards nodes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use weir_tests::Nginx;

use super::mint::{Authority, Kind, Minted};
use super::setup::Bench;

/// Longest time between two attempts of one client.
const PAUSE: Duration = Duration::from_millis(5);

/// What the clients of a run share.
pub(crate) struct Run {
    config: Arc<rustls::ClientConfig>,
    connector: TlsConnector,
    address: String,
    stop: AtomicBool,
    handshakes: AtomicU64,
    answers: AtomicU64,
    /// Certificates that were seen.
    seen: Mutex<BTreeSet<Vec<u8>>>,
    failures: Mutex<Vec<String>>,
}

impl Run {
    pub(crate) fn new(address: String, authority: &Authority) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
        roots.add(trusted).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        let config = Arc::new(config);
        Self {
            connector: TlsConnector::from(Arc::clone(&config)),
            config,
            address,
            stop: AtomicBool::new(false),
            handshakes: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            seen: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Settings of its clients.
    pub(crate) fn config(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Answers so far.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// What went wrong so far.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    /// Lets its clients end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(|error| format!("connect: {error}"))?;
        let name = ServerName::try_from("live.test").unwrap();
        let stream = self.connector.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("handshake: {error}"))?;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        self.seen.lock().unwrap().insert(shown);
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("HTTP: {error}"))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn ask(&self, sender: &mut SendRequest<Empty<Bytes>>) -> Result<(), String> {
        let request = http::Request::get("/").header("host", "live.test");
        let request = request.body(Empty::new()).unwrap();
        sender
            .ready()
            .await
            .map_err(|error| format!("kept: {error}"))?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| format!("request: {error}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        body.map_err(|error| format!("body: {error}"))?;
        self.answers.fetch_add(1, Ordering::Relaxed);
        if status == 200 {
            Ok(())
        } else {
            Err(format!("status {status}"))
        }
    }

    /// One client: a connection for each request, or one for all of them.
    pub(crate) async fn client(self: Arc<Self>, keeps: bool) {
        let mut kept = None;
        while !self.stop.load(Ordering::Relaxed) {
            let done = async {
                let mut sender = match kept.take() {
                    Some(sender) => sender,
                    None => self.connect().await?,
                };
                self.ask(&mut sender).await?;
                Ok::<_, String>(sender)
            };
            match done.await {
                Ok(sender) if keeps => kept = Some(sender),
                Ok(_) => {}
                Err(failure) => {
                    self.failures.lock().unwrap().push(failure);
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn nginx_server(dir: &Path, servers: &Authority, clients: &Authority) -> String {
    let node = servers.mint(dir, "nginx", "live.test", Kind::Ecdsa);
    format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_verify_client on;
         ssl_client_certificate {};",
        node.cert_file.display(),
        node.key_file.display(),
        clients.file.display(),
    )
}

async fn replace_for(time: Duration) {
    let bench = Bench::start("").await;
    let dir = bench.cluster.dir();
    let servers = Authority::new(dir, "servers");
    let clients = Authority::new(dir, "clients");
    let settings = nginx_server(dir, &servers, &clients);
    let nginx = Nginx::start_with("tls", dir, |ip| {
        format!("server {{ listen {ip}:8441 ssl; {settings} location / {{ return 200 ok; }} }}")
    })
    .await;
    let chains = [
        servers.mint(dir, "first", "live.test", Kind::Ecdsa),
        servers.mint(dir, "second", "live.test", Kind::Rsa),
    ];
    let shown = [
        clients.mint(dir, "gateway-1", "gateway", Kind::Ecdsa),
        clients.mint(dir, "gateway-2", "gateway", Kind::Ecdsa),
    ];
    let object =
        |minted: &Minted| json!({"sni": "live.test", "cert": minted.cert, "key": minted.key});
    let route = |minted: &Minted| {
        json!({"uri": "/*", "upstream": {
            "scheme": "https", "nodes": {format!("{}:8441", nginx.ip): 1},
            "tls": {"client_cert": minted.cert, "client_key": minted.key,
                "verify": true, "ca_certs": [servers.pem]},
        }})
    };
    bench.put("ssls/live", object(&chains[0])).await;
    bench.put("routes/all", route(&shown[0])).await;

    let run = Arc::new(Run::new(format!("{}:9443", bench.agent.ip), &servers));
    let mut tasks = JoinSet::new();
    for client in 0..4 {
        tasks.spawn(Arc::clone(&run).client(client % 2 == 0));
    }
    let (begun, mut changes) = (Instant::now(), 0);
    while begun.elapsed() < time {
        changes += 1;
        bench.put("ssls/live", object(&chains[changes % 2])).await;
        bench.put("routes/all", route(&shown[changes % 2])).await;
    }
    run.stop();
    while tasks.join_next().await.is_some() {}
    let failures = run.failures();
    let (handshakes, answers) = (run.handshakes.load(Ordering::Relaxed), run.answers());
    println!(
        "{changes} changes, {handshakes} handshakes, {answers} answers, {} failures",
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:?}\n{}", bench.agent.tail());
    assert_eq!(
        run.seen.lock().unwrap().len(),
        2,
        "both certificates were offered"
    );
    assert!(changes >= 4 && handshakes >= 20, "{changes} {handshakes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_live_without_a_failure() {
    replace_for(Duration::from_secs(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make soak"]
async fn certificates_change_live_without_a_failure_for_long() {
    let seconds = std::env::var("WEIR_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(300);
    replace_for(Duration::from_secs(seconds)).await;
}
