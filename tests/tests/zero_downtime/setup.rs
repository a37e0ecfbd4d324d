//! One control node, one agent, one back end.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::{Agent, Cluster, Process, TimedOrigin};

pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Agent,
    pub(crate) origin: TimedOrigin,
}

impl Bench {
    /// Everything goes to the back end.
    pub(crate) async fn start(extra: &[&str]) -> Self {
        Self::start_with(extra, &[]).await
    }

    /// [`Self::start`] with more environment for the agent.
    pub(crate) async fn start_with(extra: &[&str], env: &[(&str, &Path)]) -> Self {
        let cluster = Cluster::start(1).await;
        let origin = TimedOrigin::start("steady").await;
        let agent = Agent::start_in("agent", &cluster.grpc_list(), cluster.dir(), extra, env);
        agent.ready().await;
        let bench = Self {
            cluster,
            agent,
            origin,
        };
        let upstream = json!({"nodes": {bench.origin.node(): 1}});
        bench.put("upstreams/origin", &upstream).await;
        let route = json!({"uri": "/*", "upstream_id": "origin"});
        bench.put("routes/all", &route).await;
        bench
    }

    /// A write that the agent serves when this returns.
    pub(crate) async fn put(&self, path: &str, body: &Value) {
        let answer = self.cluster.nodes[0].put(path, body).await;
        self.agent.applied(revision(&answer)).await;
    }
}

/// How long a soak test goes on.
pub(crate) fn soak_time() -> Duration {
    let seconds = std::env::var("WEIR_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(60);
    Duration::from_secs(seconds)
}

/// Waits for a line in what a process prints.
pub(crate) async fn says(process: &Process, text: &str) {
    weir_tests::wait::until(text, weir_tests::cluster::PATIENCE, || async {
        if process.output().contains(text) {
            Ok(())
        } else {
            Err(process.tail())
        }
    })
    .await;
}
