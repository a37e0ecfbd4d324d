//! Control nodes of one cluster, as processes.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::address;
use crate::client::{Answer, Client};
use crate::process::{Process, weir_binary};
use crate::wait::until;

/// Admin key of every test cluster.
pub const KEY: &str = "test-admin-key-0123456789abcdef";
/// Viewer key of every test cluster.
pub const VIEWER_KEY: &str = "test-viewer-key-0123456789abcdef";
/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One control node.
pub struct Node {
    /// Node id, from 1.
    pub id: u64,
    /// Its own loopback address; the ports are the defaults.
    pub ip: Ipv4Addr,
    client: Client,
    dir: PathBuf,
    join: Option<String>,
    process: Option<Process>,
    extra: Vec<String>,
}

impl Node {
    /// `host:port` of gRPC, for CLI and agents.
    pub fn grpc(&self) -> String {
        format!("{}:9181", self.ip)
    }

    /// `host:port` for other members.
    pub fn peer(&self) -> String {
        format!("{}:9182", self.ip)
    }

    /// URL below the Admin API.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}:9180/apisix/admin/{path}", self.ip)
    }

    /// URL on the status port.
    pub fn status_url(&self, path: &str) -> String {
        format!("http://{}:9183{path}", self.ip)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join(format!("node-{}", self.id))
    }

    /// Starts the process; the same call starts it again after a kill.
    pub fn start(&mut self) {
        let mut command = Command::new(weir_binary());
        command
            .args(["control", "--node-id", &self.id.to_string()])
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--admin", &format!("{}:9180", self.ip)])
            .args(["--grpc", &self.grpc()])
            .args(["--peer", &self.peer()])
            .args(["--status", &format!("{}:9183", self.ip)])
            .args(&self.extra)
            .env("WEIR_ADMIN_KEY", KEY)
            .env("WEIR_VIEWER_KEY", VIEWER_KEY)
            .env("WEIR_LOG", "info");
        match &self.join {
            None => command.arg("--bootstrap"),
            Some(peer) => command.args(["--join", peer]),
        };
        let name = format!("control-{}", self.id);
        self.process = Some(Process::start(&name, command, &self.dir));
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The process, while it was not killed.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the node was started")
    }

    /// Everything it printed lately, for messages.
    pub fn tail(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }

    /// Removes its data directory, as a lost disk would. From then on it joins at `peer`, also
    /// when it was the one that formed the cluster.
    pub fn wipe(&mut self, peer: String) {
        std::fs::remove_dir_all(self.data_dir()).expect("data directory");
        self.join = Some(peer);
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        let url = self.status_url("/readyz");
        until(
            &format!("control node {} ready", self.id),
            PATIENCE,
            || async {
                let answer = self.client.try_get(&url).await?;
                if answer.status.is_success() {
                    Ok(())
                } else {
                    Err(answer.text())
                }
            },
        )
        .await;
    }

    /// `/status`.
    pub async fn status(&self) -> Result<Value, String> {
        Ok(self
            .client
            .try_get(&self.status_url("/status"))
            .await?
            .json())
    }

    /// An Admin API request with the admin key. `body` is JSON, or null for none.
    pub async fn try_admin(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.client
            .try_send(method, &self.admin_url(path), &[("x-api-key", KEY)], body)
            .await
    }

    /// A PUT that must succeed.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        let answer = self.try_admin(Method::PUT, path, body).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", self.tail()));
        assert!(
            answer.status.is_success(),
            "PUT {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer
    }
}

/// A cluster in a directory of its own.
pub struct Cluster {
    /// The nodes, node 1 first.
    pub nodes: Vec<Node>,
    dir: TempDir,
}

impl Cluster {
    /// Starts a cluster of `size` nodes and waits until all are ready voters.
    pub async fn start(size: usize) -> Self {
        Self::start_with(size, &[]).await
    }

    /// [`Self::start`] with more arguments for every node.
    pub async fn start_with(size: usize, extra: &[&str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("weir-test-")
            .tempdir()
            .expect("temp dir");
        let mut cluster = Self {
            nodes: Vec::new(),
            dir,
        };
        for _ in 0..size {
            cluster.add(extra).await;
        }
        cluster.settled(size).await;
        cluster
    }

    /// Starts one more node and waits until it is ready.
    pub async fn add(&mut self, extra: &[&str]) -> &mut Node {
        let mut node = Node {
            id: self.nodes.len() as u64 + 1,
            ip: address::fresh(),
            client: Client::default(),
            dir: self.dir.path().to_owned(),
            join: self.nodes.first().map(Node::peer),
            process: None,
            extra: extra.iter().map(ToString::to_string).collect(),
        };
        node.start();
        node.ready().await;
        self.nodes.push(node);
        self.nodes.last_mut().expect("just pushed")
    }

    /// Waits until every node agrees on a leader and on `voters` voters.
    pub async fn settled(&self, voters: usize) {
        until(
            &format!("{voters} voters with one leader"),
            PATIENCE,
            || async {
                let mut leaders = Vec::new();
                for node in &self.nodes {
                    let status = node.status().await?;
                    let members = status["members"].as_array().cloned().unwrap_or_default();
                    let voting = members
                        .iter()
                        .filter(|member| member["voter"] == true)
                        .count();
                    if voting != voters {
                        return Err(format!("node {}: {status}", node.id));
                    }
                    leaders.push(status["leader_id"].clone());
                }
                leaders.dedup();
                match leaders.as_slice() {
                    [leader] if leader.as_u64().is_some_and(|id| id > 0) => Ok(()),
                    _ => Err(format!("leaders {leaders:?}")),
                }
            },
        )
        .await;
    }

    /// Position in `nodes` of the leader that the running nodes name.
    pub async fn leader(&self) -> usize {
        until("a leader", PATIENCE, || async {
            for node in self.nodes.iter().filter(|node| node.process.is_some()) {
                if let Ok(status) = node.status().await
                    && status["role"] == "leader"
                {
                    return Ok((node.id - 1) as usize);
                }
            }
            Err("no node says that it leads")
        })
        .await
    }

    /// gRPC addresses of all nodes, joined by commas.
    pub fn grpc_list(&self) -> String {
        self.nodes
            .iter()
            .map(Node::grpc)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Directory that lives as long as the cluster.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}
