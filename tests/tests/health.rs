//! Health checks on the built binary: who gets requests, who is probed, and what is shown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::probed::{checked, plain};
use weir_tests::wait::until;
use weir_tests::{Agent, Answer, Cluster, Probed};

struct Bench {
    cluster: Cluster,
    agent: Agent,
}

impl Bench {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        Self { cluster, agent }
    }

    async fn put(&self, path: &str, body: &Value) {
        let answer = self.cluster.nodes[0].put(path, body).await;
        self.agent.applied(revision(&answer)).await;
    }

    async fn control(&self, path: &str) -> Answer {
        self.agent.client.get(&self.agent.status_url(path)).await
    }

    async fn wait_for(&self, node: &Probed, state: &str) {
        let ip = node.address.ip().to_string();
        until(&format!("{ip} is {state}"), PATIENCE, || async {
            let answer = self.control("/v1/healthcheck/upstreams/1").await.text();
            let info: Value = serde_json::from_str(&answer).unwrap_or_default();
            let nodes = info["nodes"].as_array().cloned().unwrap_or_default();
            let is = |node: &Value| node["ip"] == ip.as_str() && node["status"] == state;
            if nodes.iter().any(is) {
                Ok(())
            } else {
                Err(answer)
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_unhealthy_node_gets_nothing_and_comes_back() {
    let bench = Bench::start().await;
    let (a, b) = (Probed::start().await, Probed::start().await);
    bench.put("upstreams/1", &checked(&[&a, &b])).await;
    bench.put("upstreams/2", &checked(&[&a, &b])).await;
    bench.put("upstreams/plain", &plain(&[&a])).await;
    bench
        .put("routes/1", &json!({"uri": "/*", "upstream_id": "1"}))
        .await;
    bench.wait_for(&b, "healthy").await;
    b.answers(500);
    bench.wait_for(&b, "unhealthy").await;

    let before = b.requests();
    for _ in 0..50 {
        assert_eq!(bench.agent.get("/x").await.unwrap().status, 200);
    }
    assert_eq!(b.requests(), before, "none after the flip");

    let info = bench.control("/v1/healthcheck/upstreams/1").await.json();
    assert_eq!(
        (&info["name"], &info["type"]),
        (&json!("/apisix/upstreams/1"), &json!("http"))
    );
    let shown = info["nodes"].as_array().unwrap().iter();
    let shown = shown
        .clone()
        .find(|node| node["ip"] == b.address.ip().to_string())
        .unwrap();
    let expected = json!({"ip": b.address.ip(), "port": 8080, "hostname": b.address.ip(),
        "status": "unhealthy",
        "counter": {"success": 0, "http_failure": 1, "tcp_failure": 0, "timeout_failure": 0}});
    assert_eq!(*shown, expected);
    let all = bench.control("/v1/healthcheck").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);

    for (path, status, text) in [
        ("/v1/healthcheck/upstreams/9", 404, "upstreams[9] not found"),
        (
            "/v1/healthcheck/upstreams/plain",
            404,
            "no checker for upstreams[plain]",
        ),
        (
            "/v1/healthcheck/upstreams",
            404,
            "missing src id for src type upstreams",
        ),
        (
            "/v1/healthcheck/consumers/1",
            400,
            "invalid src type consumers",
        ),
    ] {
        let answer = bench.control(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.json(), json!({"error_msg": text}), "{path}");
    }

    let metrics = bench.control("/metrics").await.text();
    for line in [
        "weir_proxy_health_changes_total{to=\"unhealthy\"} 1\n",
        "weir_proxy_health_probers 2\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let exported = bench.control("/apisix/prometheus/metrics").await.text();
    for (node, value) in [(&a, 1), (&b, 0)] {
        let ip = node.address.ip();
        let line = format!(
            "apisix_upstream_status{{name=\"/apisix/upstreams/1\",ip=\"{ip}\",port=\"8080\"}} {value}\n"
        );
        assert!(exported.contains(&line), "{line} in {exported}");
    }

    b.answers(200);
    bench.wait_for(&b, "healthy").await;
    let before = b.requests();
    for _ in 0..20 {
        bench.agent.get("/x").await.unwrap();
    }
    assert_eq!(b.requests() - before, 10, "its exact share");
}

#[tokio::test]
async fn probes_go_to_exactly_the_nodes_of_the_last_of_many_changes() {
    let bench = Bench::start().await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Probed::start().await);
    }
    for round in 0..200 {
        let pair = [&nodes[round % 4], &nodes[(round + 1) % 4]];
        bench.cluster.nodes[0]
            .put("upstreams/1", &checked(&pair))
            .await;
    }
    let last = [&nodes[0], &nodes[1]];
    bench.put("upstreams/1", &checked(&last)).await;
    until("only the last two are checked", PATIENCE, || async {
        let metrics = bench.control("/metrics").await.text();
        let probers = metrics
            .lines()
            .find(|line| line.starts_with("weir_proxy_health_probers"));
        match probers {
            Some("weir_proxy_health_probers 2") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // Two more rounds of probes at the current nodes, none at the others.
    let counts =
        || -> BTreeMap<usize, usize> { nodes.iter().map(Probed::probes).enumerate().collect() };
    let before = counts();
    until("the current nodes are probed", PATIENCE, || async {
        let now = counts();
        let done = (0..2).all(|at| now[&at] >= before[&at] + 3);
        if done {
            Ok(())
        } else {
            Err(format!("{before:?} {now:?}"))
        }
    })
    .await;
    let now = counts();
    for gone in [2, 3] {
        assert!(now[&gone] <= before[&gone] + 1, "{before:?} {now:?}");
    }
}
