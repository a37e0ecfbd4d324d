//! Two objects changed in one revision are never seen apart.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

use std::time::Duration;

use serde_json::json;
use weir_tests::cli::weir_ok;
use weir_tests::{Agent, Cluster, Load, Origin};

const CHANGES: u32 = 1_000;

/// A route that says `n` in a header to the node, and an upstream that says `n` as Host: both come
/// from the same revision or the request saw half a change.
fn pair(node: &str, n: u32) -> String {
    json!([
        {
            "kind": "upstream", "id": "pair", "nodes": {node: 1},
            "pass_host": "rewrite", "upstream_host": format!("n{n}.test"),
        },
        {
            "kind": "route", "id": "pair", "uri": "/pair", "upstream_id": "pair",
            "plugins": {"proxy-rewrite": {"headers": {"set": {"x-n": format!("n{n}.test")}}}},
        },
    ])
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_sees_one_of_two_objects_changed_together() {
    let cluster = Cluster::start(1).await;
    let origin = Origin::start("pair").await;
    let agent = Agent::start("agent-pair", &cluster.grpc_list(), cluster.dir());
    agent.ready().await;
    weir_ok(
        &cluster.grpc_list(),
        &["apply", "-f", "-"],
        &pair(&origin.node(), 0),
    );
    agent
        .serves("/pair", "is proxied", |answer| answer.status == 200)
        .await;

    let load = Load::start(&agent.url("/pair"), 3, Duration::ZERO, |answer| {
        if answer.status != 200 {
            return Err("not 200".to_owned());
        }
        let seen = answer.json();
        let (host, header) = (&seen["headers"]["host"], &seen["headers"]["x-n"]);
        if host == header {
            Ok(())
        } else {
            Err(format!("half a change: {host} and {header}"))
        }
    });
    let mut client = weir_tests::grpc::Operator::connect(&cluster.nodes[0].grpc()).await;
    let mut last = 0;
    for n in 1..=CHANGES {
        last = client.apply(&pair(&origin.node(), n)).await;
    }
    agent.applied(last).await;
    let answer = agent.get("/pair").await.unwrap();
    assert_eq!(answer.json()["headers"]["x-n"], format!("n{CHANGES}.test"));
    let outcome = load.stop().await;
    println!(
        "{CHANGES} paired changes, {} requests, none saw half",
        outcome.answered
    );
    outcome.assert_clean();
}
