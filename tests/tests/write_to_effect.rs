//! Three control nodes, two agents, a real nginx: a write through any node changes the traffic of
//! every agent.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

use std::time::{Duration, Instant};

use serde_json::json;
use weir_tests::agent::revision;
use weir_tests::{Agent, Cluster, Nginx, percentiles};

const WRITES: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_through_any_node_changes_the_traffic_of_every_agent() {
    let cluster = Cluster::start(3).await;
    let nginx = Nginx::start("origin", cluster.dir()).await;
    let agents = [
        Agent::start("agent-a", &cluster.grpc_list(), cluster.dir()),
        Agent::start("agent-b", &cluster.grpc_list(), cluster.dir()),
    ];
    let first = cluster.nodes[0]
        .put("upstreams/origin", &json!({"nodes": {nginx.node(): 1}}))
        .await;
    for agent in &agents {
        agent.ready().await;
        agent.applied(revision(&first)).await;
    }

    let mut times = Vec::new();
    for write in 0..WRITES {
        let node = &cluster.nodes[write % cluster.nodes.len()];
        let path = format!("/written/{write}");
        let started = Instant::now();
        node.put(
            &format!("routes/{write}"),
            &json!({"uri": path, "upstream_id": "origin"}),
        )
        .await;
        for agent in &agents {
            let answer = agent
                .serves(&path, "is proxied", |answer| answer.status == 200)
                .await;
            assert_eq!(answer.text(), "origin\n");
        }
        times.push(started.elapsed());
    }
    println!(
        "write to effect on both agents: {}",
        percentiles::line(&mut times)
    );

    // And away again, through another node than the one that wrote it.
    let gone = cluster.nodes[1]
        .try_admin(http::Method::DELETE, "routes/0", &json!(null))
        .await;
    assert_eq!(gone.unwrap().status, 200);
    for agent in &agents {
        let answer = agent
            .serves("/written/0", "is gone", |answer| answer.status == 404)
            .await;
        assert_eq!(answer.json(), json!({"error_msg": "404 Route Not Found"}));
    }
    // What every member holds is the same.
    let mut hashes = Vec::new();
    for node in &cluster.nodes {
        let status = weir_tests::wait::until("same index", Duration::from_secs(20), || async {
            let status = node.status().await?;
            let leader = cluster.nodes[0].status().await?;
            let same = status["state_hash_index"] == leader["state_hash_index"];
            if same {
                Ok(status)
            } else {
                Err(status.to_string())
            }
        })
        .await;
        hashes.push(status["state_hash"].clone());
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "{hashes:?}");
}
