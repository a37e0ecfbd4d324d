//! An agent with limits, a node whose service time is known, and numbers of both.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use weir_tests::agent::revision;
use weir_tests::wait::until;
use weir_tests::{Agent, Cluster};

/// Bytes of `/big`: more than the system buffers.
const BIG: usize = 16 << 20;

/// Seconds of the long form, if it is asked for.
pub fn soak() -> Duration {
    let seconds = std::env::var("WEIR_SOAK_SECONDS");
    let seconds = seconds.ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

pub struct Bench {
    pub cluster: Cluster,
    pub agent: Agent,
}

impl Bench {
    /// With these fields of `proxy.limits`.
    pub async fn start(limits: &str) -> Self {
        let cluster = Cluster::start(1).await;
        let file = cluster.dir().join("agent.yaml");
        let text =
            format!("proxy: {{reason_header: true, limits: {{{limits}}}}}\naccess_log: \"off\"\n");
        std::fs::write(&file, text).unwrap();
        let control = cluster.grpc_list();
        let file = file.to_str().unwrap();
        let agent = Agent::start_with("agent", &control, cluster.dir(), &["--config", file]);
        agent.ready().await;
        Self { cluster, agent }
    }

    pub async fn route(&self, id: &str, mut route: Value, node: SocketAddr) {
        route["upstream"] = json!({
            "type": "roundrobin",
            "nodes": {node.to_string(): 1},
        });
        let answer = self.cluster.nodes[0]
            .put(&format!("routes/{id}"), &route)
            .await;
        self.agent.applied(revision(&answer)).await;
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.agent.ip, 9080))
    }

    pub async fn metric(&self, name: &str) -> f64 {
        let url = self.agent.status_url("/metrics");
        let text = self.agent.client.get(&url).await.text();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// Resident bytes of the agent.
    pub fn resident(&mut self) -> u64 {
        let pid = self.agent.process().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        kib << 10
    }

    /// Waits until a metric is as wanted.
    pub async fn until(&self, name: &str, limit: Duration, fits: impl Fn(f64) -> bool) {
        until(name, limit, || async {
            let value = self.metric(name).await;
            if fits(value) {
                Ok(())
            } else {
                Err(value.to_string())
            }
        })
        .await;
    }
}

/// A node: `/big` has a large answer, everything else is answered after `service`, when its body
/// was read.
pub async fn node(service: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It shares the kernel's memory for TCP with the agent, which nodes do not: what it writes to an agent
    // that waits for its client would fill that.
    let socket = socket2::SockRef::from(&listener);
    socket.set_tcp_notsent_lowat(64 << 10).unwrap();
    let address = listener.local_addr().unwrap();
    let big = Bytes::from(vec![b'x'; BIG]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let big = big.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let big = big.clone();
                async move {
                    if request.uri().path() == "/big" {
                        return Ok::<_, Infallible>(Response::new(Full::new(big)));
                    }
                    let _ = request.into_body().collect().await;
                    tokio::time::sleep(service).await;
                    Ok(Response::new(Full::new(Bytes::from_static(b"ok"))))
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(connection);
        }
    });
    address
}

/// Connects from the `number`th of many client addresses, with a small receive buffer if `deaf`.
pub async fn connect_from(number: usize, to: SocketAddr, deaf: bool) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if deaf {
        socket.set_recv_buffer_size(4096)?;
    }
    let [.., high, low] = u32::try_from(number).unwrap_or(0).to_be_bytes();
    socket.bind(SocketAddr::from(([127, 200, high, low], 0)))?;
    socket.connect(to).await
}

/// How long `work` takes.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let done = work.await;
    (done, began.elapsed())
}
