//! A control node, an agent and a node behind it.

use http::Method;
use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::origin::Origin;
use weir_tests::{Agent, Answer, Cluster};

pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Agent,
    pub(crate) origin: Origin,
}

impl Bench {
    /// With this file for the agent, and a route for everything.
    pub(crate) async fn start(file: &str) -> Self {
        let cluster = Cluster::start(1).await;
        let config = cluster.dir().join("agent.yaml");
        std::fs::write(&config, file).unwrap();
        let options = ["--config", config.to_str().unwrap(), "--access-log", "off"];
        let agent = Agent::start_with("agent", &cluster.grpc_list(), cluster.dir(), &options);
        let bench = Self {
            origin: Origin::start("node").await,
            cluster,
            agent,
        };
        let nodes = json!({bench.origin.node(): 1});
        bench
            .put(
                "routes/all",
                json!({"uri": "/*", "upstream": {"nodes": nodes}}),
            )
            .await;
        bench.agent.ready().await;
        bench
    }

    pub(crate) async fn put(&self, path: &str, body: Value) {
        let answer = self.cluster.nodes[0].put(path, &body).await;
        self.agent.applied(revision(&answer)).await;
    }

    pub(crate) async fn try_put(&self, path: &str, body: &Value) -> Answer {
        let node = &self.cluster.nodes[0];
        node.try_admin(Method::PUT, path, body).await.unwrap()
    }

    /// A metric of the agent.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let url = self.agent.status_url("/metrics");
        let text = self.agent.client.get(&url).await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}
