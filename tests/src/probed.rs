//! A node that answers health checks as the test says, can die and come back, and counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::address;

/// A node that answers probes of `/up` with a status that the test sets.
pub struct Probed {
    /// Where it listens: on an address of its own, so that it comes back at the same place.
    pub address: SocketAddr,
    state: Arc<State>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    health: AtomicU16,
    answer: AtomicU16,
    probes: AtomicUsize,
    requests: AtomicUsize,
}

impl Probed {
    /// Starts a healthy one.
    pub async fn start() -> Self {
        let address = SocketAddr::from((address::fresh(), 8080));
        let mut node = Self {
            address,
            state: Arc::default(),
            serving: None,
        };
        node.answers(200);
        node.requests_get(200);
        node.revive().await;
        node
    }

    /// Listens (again).
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("its address");
        let state = Arc::clone(&self.state);
        self.serving = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        }));
    }

    /// Takes no more connections.
    pub async fn die(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // The listener is closed when the task is gone.
            let _ = serving.await;
        }
    }

    /// Sets the status that probes get from now on.
    pub fn answers(&self, status: u16) {
        self.state.health.store(status, Ordering::SeqCst);
    }

    /// Sets the status that requests get from now on.
    pub fn requests_get(&self, status: u16) {
        self.state.answer.store(status, Ordering::SeqCst);
    }

    /// Requests that it got, without probes.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Probes that it got.
    pub fn probes(&self) -> usize {
        self.state.probes.load(Ordering::SeqCst)
    }
}

/// One request a connection.
async fn serve(mut stream: TcpStream, state: Arc<State>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let (count, status) = if head.starts_with(b"GET /up ") {
        (&state.probes, &state.health)
    } else {
        (&state.requests, &state.answer)
    };
    count.fetch_add(1, Ordering::SeqCst);
    let status = status.load(Ordering::SeqCst);
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()
}

/// An upstream of these nodes, probed as quickly as can be configured.
pub fn checked(nodes: &[&Probed]) -> Value {
    let mut upstream = plain(nodes);
    upstream["checks"] = json!({"active": {
        "http_path": "/up", "interval": 1, "healthy": {"http_successes": 1},
        "unhealthy": {"http_failures": 1, "tcp_failures": 1}}});
    upstream
}

/// An upstream of these nodes without checks.
pub fn plain(nodes: &[&Probed]) -> Value {
    let nodes: serde_json::Map<String, Value> = nodes
        .iter()
        .map(|node| (node.address.to_string(), json!(1)))
        .collect();
    json!({"nodes": nodes})
}
