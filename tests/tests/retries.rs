//! Retries, limits and reasons, as seen from outside: what a dead, a crashing and a hung upstream cost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;
use weir_tests::{Agent, Answer, Client, Cluster, Origin};

/// Answers tell the statuses of all tries, and the reason.
const TELLING: &str = "
proxy: {reason_header: true}
apisix: {show_upstream_status_in_response_header: true}
";

struct Bench {
    cluster: Cluster,
    agent: Agent,
}

impl Bench {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let file = cluster.dir().join("agent.yaml");
        std::fs::write(&file, TELLING).unwrap();
        let file = file.to_str().unwrap();
        let control = cluster.grpc_list();
        let agent = Agent::start_with("agent", &control, cluster.dir(), &["--config", file]);
        agent.ready().await;
        Self { cluster, agent }
    }

    async fn route(&self, path: &str, upstream: Value) {
        let id = path.trim_start_matches('/');
        let route = json!({"uri": path, "upstream": upstream});
        let answer = self.cluster.nodes[0]
            .put(&format!("routes/{id}"), &route)
            .await;
        self.agent.applied(revision(&answer)).await;
    }

    async fn metric(&self, line: &str) -> u64 {
        let text = self
            .agent
            .client
            .get(&self.agent.status_url("/metrics"))
            .await
            .text();
        let value = text.lines().find_map(|known| known.strip_prefix(line));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }
}

fn tries(answer: &Answer) -> usize {
    let statuses = answer.header("x-apisix-upstream-status");
    statuses.split(", ").filter(|text| !text.is_empty()).count()
}

fn nodes(addresses: &[String]) -> Value {
    let list: Vec<Value> = (0..)
        .zip(addresses)
        .map(|(position, address)| {
            let (host, port) = address.rsplit_once(':').unwrap();
            let port: u16 = port.parse().unwrap();
            json!({"host": host, "port": port, "weight": 1, "priority": -position})
        })
        .collect();
    json!(list)
}

/// Reads a request of known length; gives its body.
async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let end = loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = read.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(body)
}

/// What a node does with its connections.
#[derive(Clone, Copy)]
enum Node {
    /// Reads one request whole and closes.
    Crashes,
    /// Reads one request and never answers, until the other side closes.
    Hangs,
    /// Answers each request with 200.
    Works,
}

/// A node; bodies of the requests that it read come through the channel, and the number counts
/// those that it holds without an answer.
async fn node(kind: Node) -> (String, mpsc::UnboundedReceiver<Vec<u8>>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, bodies) = mpsc::unbounded_channel();
    let held = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&held);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (sender, held) = (sender.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                while let Some(body) = read_request(&mut stream).await {
                    let _ = sender.send(body);
                    match kind {
                        Node::Crashes => return,
                        Node::Hangs => {
                            held.fetch_add(1, Ordering::SeqCst);
                            let _ = read_request(&mut stream).await;
                            held.fetch_sub(1, Ordering::SeqCst);
                            return;
                        }
                        Node::Works => {
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nworks";
                            stream.write_all(answer).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    (address, bodies, held)
}

/// An address where nobody listens; the socket keeps others from it.
fn dead() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap().to_string(), socket)
}

/// `clients` at once, `each` requests one after the other; answers in no order.
async fn load(url: &str, clients: usize, each: usize) -> Vec<Answer> {
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let url = url.to_owned();
        tasks.spawn(async move {
            let client = Client::default();
            let mut answers = Vec::new();
            for _ in 0..each {
                answers.push(client.get(&url).await);
            }
            answers
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_upstream_under_load_costs_a_quarter_more_tries_at_most() {
    let bench = Bench::start().await;
    let (refusing, sockets): (Vec<String>, Vec<TcpSocket>) = (0..3).map(|_| dead()).unzip();
    let mut crashing = Vec::new();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let (address, received, _) = node(Node::Crashes).await;
        crashing.push(address);
        bodies.push(received);
    }
    for (path, addresses) in [("/refusing", &refusing), ("/crashing", &crashing)] {
        bench.route(path, json!({"nodes": nodes(addresses)})).await;
        let answers = load(&bench.agent.url(path), 20, 50).await;
        let made: usize = answers.iter().map(tries).sum();
        let bound = answers.len() * 5 / 4;
        assert!(
            made <= bound,
            "{path}: {made} tries for {} requests",
            answers.len()
        );
        assert!(made > answers.len(), "{path}: some are tried again");
        for answer in &answers {
            assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        }
        let refused = |answer: &&Answer| answer.header("x-weir-reason") == "retry_budget";
        assert!(answers.iter().filter(refused).count() > answers.len() / 2);
    }
    let seen: usize = bodies.iter_mut().map(|received| received.len()).sum();
    assert!(seen <= 1250, "{seen} requests reached the nodes");
    let counted = bench
        .metric("weir_proxy_failures_total{reason=\"retry_budget\"}")
        .await;
    assert!(counted > 1000, "{counted}");
    drop(sockets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_body_reaches_the_second_node_byte_for_byte() {
    const SIZE: usize = 10 * 1024 * 1024;
    let bench = Bench::start().await;
    let (crashing, mut first, _) = node(Node::Crashes).await;
    let (working, mut second, _) = node(Node::Works).await;
    bench
        .route("/body", json!({"nodes": nodes(&[crashing, working])}))
        .await;
    let body: Bytes = (0..SIZE)
        .map(|at| (at % 251) as u8)
        .collect::<Vec<_>>()
        .into();
    let client = Client::new(Duration::from_secs(60));
    let url = bench.agent.url("/body");
    let answer = client.send(Method::PUT, &url, &[], body.clone()).await;
    assert_eq!((answer.text().as_str(), tries(&answer)), ("works", 2));
    for received in [&mut first, &mut second] {
        assert!(received.recv().await.unwrap() == body);
    }
    let answer = client.send(Method::POST, &url, &[], body).await;
    assert_eq!((answer.status.as_u16(), tries(&answer)), (502, 1));
    assert_eq!(answer.header("x-weir-reason"), "reset_before_header");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_upstream_costs_the_others_nothing() {
    const LIMIT: usize = 5;
    let bench = Bench::start().await;
    let (hanging, _bodies, held) = node(Node::Hangs).await;
    let origin = Origin::start("fine").await;
    let limits = json!({"max_requests": LIMIT});
    bench
        .route(
            "/hung",
            json!({"nodes": nodes(&[hanging]), "limits": limits}),
        )
        .await;
    bench
        .route("/fine", json!({"nodes": nodes(&[origin.node()])}))
        .await;
    let mut stuck = JoinSet::new();
    for _ in 0..LIMIT {
        let url = bench.agent.url("/hung");
        stuck.spawn(async move { Client::default().try_get(&url).await });
    }
    until("the node holds its requests", PATIENCE, || async {
        match held.load(Ordering::SeqCst) {
            LIMIT => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let (hung, fine) = (bench.agent.url("/hung"), bench.agent.url("/fine"));
    let overflowing = async {
        let began = Instant::now();
        (load(&hung, 10, 20).await, began.elapsed())
    };
    let ((refused, took), answered) = tokio::join!(overflowing, load(&fine, 10, 50));
    for answer in refused {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("x-weir-reason"), "upstream_overflow");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(took < Duration::from_secs(10), "refused after {took:?}");
    for answer in answered {
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(held.load(Ordering::SeqCst), LIMIT);
    // Clients that leave make room, and the node hears of it.
    stuck.shutdown().await;
    until("the node is left alone", PATIENCE, || async {
        match held.load(Ordering::SeqCst) {
            0 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
}
