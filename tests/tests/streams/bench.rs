//! A cluster, and an agent with listeners for streams.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use weir_tests::agent::revision;
use weir_tests::wait::until;
use weir_tests::{Agent, Cluster, Process, address};

pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Agent,
    /// Where streams come in.
    pub(crate) ip: Ipv4Addr,
}

/// Ports of the listeners: TCP and UDP share the first.
pub(crate) const PLAIN: u16 = 9100;
pub(crate) const SECOND: u16 = 9101;
pub(crate) const TLS: u16 = 9102;

impl Bench {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let ip = address::fresh();
        let agent = Agent::start_with(
            "agent",
            &cluster.grpc_list(),
            cluster.dir(),
            &[
                "--stream-tcp",
                &format!("{ip}:{PLAIN},{ip}:{SECOND}"),
                "--stream-tls",
                &format!("{ip}:{TLS}"),
                "--stream-udp",
                &format!("{ip}:{PLAIN}"),
                "--access-log",
                &log(&cluster).display().to_string(),
            ],
        );
        agent.ready().await;
        Self { cluster, agent, ip }
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) {
        let answer = self.cluster.nodes[0].put(path, body).await;
        self.agent.applied(revision(&answer)).await;
    }

    pub(crate) async fn connect(&self, port: u16) -> TcpStream {
        TcpStream::connect((self.ip, port)).await.unwrap()
    }

    /// The lines of the access log, once `wanted` of them tell of streams.
    pub(crate) async fn streams(&self, wanted: usize) -> Vec<Value> {
        let path = log(&self.cluster);
        let read = || async {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let lines: Vec<Value> = lines
                .filter(|line: &Value| line["kind"] == "stream")
                .collect();
            if lines.len() >= wanted {
                Ok(lines)
            } else {
                Err(text)
            }
        };
        until("streams in the access log", Duration::from_secs(20), read).await
    }
}

fn log(cluster: &Cluster) -> PathBuf {
    cluster.dir().join("access.log")
}

/// A real redis.
pub(crate) struct Redis {
    pub(crate) address: String,
    _process: Process,
}

impl Redis {
    pub(crate) async fn start(bench: &Bench) -> Self {
        let ip = address::fresh();
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", &ip.to_string(), "--port", "6379", "--save", ""])
            .args(["--appendonly", "no", "--protected-mode", "no"])
            .current_dir(bench.cluster.dir());
        let process = Process::start("redis", command, bench.cluster.dir());
        let address = format!("{ip}:6379");
        let open = || async {
            let open = TcpStream::connect(&address).await;
            open.map(drop).map_err(|error| error.to_string())
        };
        until("redis listens", Duration::from_secs(20), open).await;
        Self {
            address,
            _process: process,
        }
    }

    pub(crate) fn upstream(&self) -> Value {
        json!({"nodes": {self.address.as_str(): 1}})
    }
}
