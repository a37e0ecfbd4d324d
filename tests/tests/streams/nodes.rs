//! HTTP inside of TCP: nodes that die under load.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_tests::wait::until;
use weir_tests::{Nginx, Origin};

use crate::bench::{Bench, PLAIN};

/// What stands at the end of an answer; empty when the connection broke.
async fn ask(bench: &Bench) -> String {
    let mut stream = bench.connect(PLAIN).await;
    let request = "GET / HTTP/1.1\r\nhost: stream.test\r\nconnection: close\r\n\r\n";
    if stream.write_all(request.as_bytes()).await.is_err() {
        return String::new();
    }
    let mut answer = String::new();
    // A connection that breaks has no answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_node_killed_under_load_costs_no_connection_that_it_did_not_have() {
    let bench = Bench::start().await;
    let one = Nginx::start("one", bench.cluster.dir()).await;
    let two = Nginx::start("two", bench.cluster.dir()).await;
    let upstream = json!({"nodes": {one.node(): 1, two.node(): 1}});
    bench
        .put(
            "stream_routes/1",
            &json!({"server_port": PLAIN, "upstream": upstream}),
        )
        .await;
    for expected in [&["one", "two"][..], &["two"]] {
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen.push(ask(&bench).await);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, expected);
        if expected.len() == 2 {
            break;
        }
    }
    // One request at a time is under way when it dies.
    let killing = tokio::spawn(async move {
        tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>())
            .await
            .unwrap_err();
        drop(one);
    });
    let mut broken = 0;
    while !killing.is_finished() {
        broken += usize::from(ask(&bench).await.is_empty());
    }
    for _ in 0..200 {
        assert_eq!(ask(&bench).await, "two");
    }
    assert!(broken <= 1, "{broken} connections broke");
}

#[tokio::test]
async fn health_flips_move_new_connections() {
    let bench = Bench::start().await;
    let nginx = Nginx::start("up", bench.cluster.dir()).await;
    let other = Origin::start("other").await;
    let checks = json!({"active": {
        "type": "http",
        "http_path": "/",
        "healthy": {"interval": 1, "successes": 1},
        "unhealthy": {"interval": 1, "tcp_failures": 1, "http_failures": 1}
    }});
    let first = nginx.node();
    let (host, port) = first.split_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    let nodes = json!([
        {"host": host, "port": port, "weight": 1, "priority": 1},
        {"host": other.address.ip().to_string(), "port": other.address.port(), "weight": 1}
    ]);
    let upstream = json!({"nodes": nodes, "checks": checks});
    bench
        .put("stream_routes/1", &json!({ "upstream": upstream }))
        .await;
    assert_eq!(ask(&bench).await, "up");
    let shown = bench.agent.status_url("/v1/healthcheck/stream_routes/1");
    until("the node is checked", Duration::from_secs(20), || async {
        let text = bench.agent.client.try_get(&shown).await?.text();
        if text.contains("\"healthy\"") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    drop(nginx);
    until(
        "the other one alone is tried",
        Duration::from_secs(20),
        || async {
            let answer = ask(&bench).await;
            let line = bench.streams(1).await.pop().unwrap();
            let tries = line["tries"].as_array().map_or(0, Vec::len);
            if answer.contains("other") && tries == 1 {
                Ok(())
            } else {
                Err(line.to_string())
            }
        },
    )
    .await;
}
