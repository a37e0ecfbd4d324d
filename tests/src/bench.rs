//! One control node, one agent and one node behind it.

use http::Method;
use serde_json::{Value, json};

use crate::agent::revision;
use crate::{Agent, Answer, Cluster, Origin};

/// All of it, with the upstream `u` of the node.
pub struct Bench {
    /// The control node.
    pub cluster: Cluster,
    /// The agent.
    pub agent: Agent,
    /// The node.
    pub origin: Origin,
}

impl Bench {
    /// Starts everything, and waits until the agent is ready and has the upstream.
    pub async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let origin = Origin::start("origin").await;
        let agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        let bench = Self {
            cluster,
            agent,
            origin,
        };
        let upstream = json!({"nodes": {bench.origin.node(): 1}});
        bench.put("upstreams/u", upstream).await;
        bench
    }

    /// Writes an object, and waits until the agent has it.
    pub async fn put(&self, path: &str, body: Value) {
        let answer = self.cluster.nodes[0].put(path, &body).await;
        self.agent.applied(revision(&answer)).await;
    }

    /// Puts route `/NAME*` with these plugins.
    pub async fn route(&self, name: &str, plugins: Value) {
        let route = json!({"uri": format!("/{name}*"), "upstream_id": "u", "plugins": plugins});
        self.put(&format!("routes/{name}"), route).await;
    }

    /// Sends a request to the agent.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Answer {
        let url = self.agent.url(path);
        self.agent.client.send(method, &url, headers, body).await
    }

    /// Asks the agent for a path.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }
}
