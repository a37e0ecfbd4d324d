//! A cluster with an agent and an origin.

use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_tests::agent::revision;
use weir_tests::{Agent, Cluster, Origin};

/// Cluster, agent and an origin; routes are put through the Admin API.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Agent,
    pub(crate) origin: Origin,
}

impl Bench {
    pub(crate) async fn start(name: &str) -> Self {
        let cluster = Cluster::start(1).await;
        let origin = Origin::start(name).await;
        let agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        Self {
            cluster,
            agent,
            origin,
        }
    }

    pub(crate) async fn put(&self, path: &str, body: serde_json::Value) {
        let answer = self.cluster.nodes[0].put(path, &body).await;
        self.agent.applied(revision(&answer)).await;
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> weir_tests::Answer {
        self.agent
            .client
            .send(method, &self.agent.url(path), headers, body)
            .await
    }

    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect((self.agent.ip, 9080)).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(10), read).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}
