//! Discovery end to end: a real registry, a control node, an agent, real requests.
//!
//! Needs the servers that `make test-registries` sets up, so these tests run only when asked for.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod commands;
mod outages;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_discovery::testkit::{Backend, Instance};
use weir_tests::cluster::PATIENCE;
use weir_tests::percentiles;
use weir_tests::registries::{Bind, Consul, Eureka, Nacos};
use weir_tests::{Agent, Cluster, Origin, wait};

/// A cluster whose route `/` leads to the service `shop` of a registry.
struct Setup {
    cluster: Cluster,
    agent: Agent,
}

impl Setup {
    async fn start(backend: &dyn Backend) -> Self {
        Self::of(backend, 1).await
    }

    /// With so many control nodes.
    async fn of(backend: &dyn Backend, nodes: usize) -> Self {
        let cluster = Cluster::start(nodes).await;
        let node = &cluster.nodes[0];
        let registry = backend.registry(backend.address());
        node.put("registries/main", &registry).await;
        let mut upstream = backend.upstream("shop");
        upstream["discovery_type"] = registry["type"].clone();
        node.put("upstreams/shop", &upstream).await;
        node.put("routes/shop", &json!({"uri": "/*", "upstream_id": "shop"}))
            .await;
        let agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        Self { cluster, agent }
    }

    /// Waits until requests reach exactly these origins; says how long that took.
    async fn reaches(&self, names: &[&str]) -> Duration {
        let wanted: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        let began = Instant::now();
        wait::until(&format!("traffic reaches {names:?}"), PATIENCE, || async {
            let mut reached = BTreeSet::new();
            for _ in 0..names.len() * 2 {
                let answer = self.agent.get("/x").await?;
                if answer.status != 200 {
                    return Err(format!("{} {}", answer.status, answer.text()));
                }
                reached.insert(
                    answer.json()["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
            if reached == wanted {
                Ok(())
            } else {
                Err(format!(
                    "reached {reached:?}\n{}",
                    self.cluster.nodes[0].tail()
                ))
            }
        })
        .await;
        began.elapsed()
    }

    /// Waits until the agent has so many endpoints of the service.
    async fn has(&self, count: u64) -> Duration {
        let began = Instant::now();
        wait::until(
            &format!("the agent has {count} endpoints"),
            PATIENCE,
            || async {
                let status = self.agent.status().await?;
                let sets = status["endpoints"].as_object().cloned().unwrap_or_default();
                let known: Vec<&Value> = sets.values().map(|set| &set["count"]).collect();
                if known == [&json!(count)] {
                    Ok(())
                } else {
                    Err(status["endpoints"].to_string())
                }
            },
        )
        .await;
        began.elapsed()
    }
}

fn instance(origin: &Origin) -> Instance {
    Instance::new(&origin.address.ip().to_string(), origin.address.port())
}

/// Traffic follows registrations, deregistrations and health.
async fn traffic_follows(backend: &dyn Backend) {
    let origins = [
        Origin::start("one").await,
        Origin::start("two").await,
        Origin::start("three").await,
    ];
    let [one, two, three] = origins.each_ref().map(instance);
    backend.register("shop", &one).await;
    backend.register("shop", &two).await;
    let setup = Setup::start(backend).await;
    setup.reaches(&["one", "two"]).await;
    backend.deregister("shop", &one).await;
    setup.reaches(&["two"]).await;
    backend.register("shop", &three).await;
    setup.reaches(&["three", "two"]).await;
    if backend.set_healthy("shop", &two, false).await {
        setup.reaches(&["three"]).await;
        backend.set_healthy("shop", &two, true).await;
        setup.reaches(&["three", "two"]).await;
    }
    let mut times = Vec::new();
    for _ in 0..25 {
        backend.deregister("shop", &two).await;
        times.push(setup.has(1).await);
        backend.register("shop", &two).await;
        times.push(setup.has(2).await);
    }
    let limit = backend.patience();
    let line = percentiles::line(&mut times);
    println!("registry change to effect in the agent: {line}; allowed p99 {limit:?}");
    // Of 50 times the 99th percentile is the last but one.
    let p99 = times[times.len() - 2];
    assert!(p99 <= limit, "{line}");
    backend.deregister("shop", &two).await;
    backend.deregister("shop", &three).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn traffic_follows_consul() {
    let dir = tempfile::tempdir().unwrap();
    let consul = Consul::start(dir.path()).await;
    traffic_follows(&consul).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Nacos: make test-registries"]
async fn traffic_follows_nacos() {
    let dir = tempfile::tempdir().unwrap();
    let nacos = Nacos::start(dir.path(), 18_000).await;
    traffic_follows(&nacos).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Eureka: make test-registries"]
async fn traffic_follows_eureka() {
    let dir = tempfile::tempdir().unwrap();
    let eureka = Eureka::start(dir.path()).await;
    traffic_follows(&eureka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real DNS server: make test-registries"]
async fn traffic_follows_dns() {
    let dir = tempfile::tempdir().unwrap();
    let bind = Bind::start(dir.path()).await;
    traffic_follows(&bind).await;
}
