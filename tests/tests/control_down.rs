//! Agents go on without any control node, also after a restart, and follow again afterwards.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

use std::time::Duration;

use serde_json::json;
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::{Agent, Cluster, Load, Nginx, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_serve_on_with_every_control_node_dead() {
    let mut cluster = Cluster::start(3).await;
    let nginx = Nginx::start("steady", cluster.dir()).await;
    let steady = Agent::start("agent-steady", &cluster.grpc_list(), cluster.dir());
    let mut restarted = Agent::start("agent-restarted", &cluster.grpc_list(), cluster.dir());
    cluster.nodes[0]
        .put("upstreams/u", &json!({"nodes": {nginx.node(): 1}}))
        .await;
    let last = cluster.nodes[0]
        .put("routes/r", &json!({"uri": "/steady", "upstream_id": "u"}))
        .await;
    for agent in [&steady, &restarted] {
        agent.ready().await;
        agent.applied(revision(&last)).await;
        agent
            .serves("/steady", "is proxied", |answer| answer.status == 200)
            .await;
    }

    let load = Load::start(
        &steady.url("/steady"),
        4,
        Duration::from_millis(2),
        |answer| {
            if answer.status == 200 {
                Ok(())
            } else {
                Err("not 200".to_owned())
            }
        },
    );
    for node in &mut cluster.nodes {
        node.kill();
    }
    wait::until("the agent notices", PATIENCE, || async {
        let status = steady.status().await?;
        if status["connected"] == false {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;

    // The other agent dies too, and comes back with nobody to ask.
    restarted.kept().await;
    restarted.kill();
    restarted.restart();
    restarted.ready().await;
    let answer = restarted.get("/steady").await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, "steady\n")
    );
    let status = restarted.status().await.unwrap();
    assert_eq!(status["source"], "cache", "{status}");
    assert_eq!(status["revision"], revision(&last), "{status}");

    let before = load.answered();
    wait::until("500 more requests answered", PATIENCE, || async {
        let more = load.answered() - before;
        if more >= 500 {
            Ok(())
        } else {
            Err(more.to_string())
        }
    })
    .await;

    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.settled(3).await;
    let put = cluster.nodes[2]
        .put("routes/r2", &json!({"uri": "/again", "upstream_id": "u"}))
        .await;
    for agent in [&steady, &restarted] {
        agent.applied(revision(&put)).await;
        agent
            .serves("/again", "is proxied", |answer| answer.status == 200)
            .await;
        let status = agent.status().await.unwrap();
        assert_eq!(status["source"], "stream", "{status}");
    }
    let outcome = load.stop().await;
    println!(
        "requests answered without control plane and after: {}",
        outcome.answered
    );
    outcome.assert_clean();
}
