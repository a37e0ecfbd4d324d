//! A node that lost its disk is rebuilt from a snapshot, to the last byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use weir_tests::cluster::KEY;
use weir_tests::{Client, Cluster, wait};

const WRITES: u64 = 20_000;
const WRITERS: u64 = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_has_the_same_state_after_a_snapshot_install() {
    let mut cluster = Cluster::start_with(3, &["--snapshot-every", "5000"]).await;
    let leader = cluster.leader().await;
    let lost = (leader + 1) % 3;
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let next = Arc::clone(&next);
        let base = cluster.nodes[leader].admin_url("routes/");
        writers.spawn(async move {
            let client = Client::default();
            loop {
                let write = next.fetch_add(1, Ordering::Relaxed);
                if write >= WRITES {
                    return;
                }
                let url = format!("{base}{}", write % 2_000);
                let body = json!({
                    "uri": format!("/{write}"), "upstream": {"nodes": {"127.0.0.1:1": 1}},
                });
                let answer = client
                    .send(Method::PUT, &url, &[("x-api-key", KEY)], body.to_string())
                    .await;
                assert!(
                    answer.status.is_success(),
                    "{} {}",
                    answer.status,
                    answer.text()
                );
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    println!(
        "{WRITES} writes, {WRITERS} at a time: {:.1} s",
        started.elapsed().as_secs_f64()
    );

    let limit = Duration::from_secs(120);
    wait::until("the leader has purged its log", limit, || async {
        let status = cluster.nodes[leader].status().await?;
        let purged = status["purged"].as_u64().unwrap_or(0);
        if purged > WRITES / 2 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;

    cluster.nodes[lost].kill();
    let peer = cluster.nodes[leader].peer();
    cluster.nodes[lost].wipe(peer);
    cluster.nodes[lost].start();
    cluster.nodes[lost].ready().await;
    cluster.settled(3).await;
    wait::until(
        "the wiped node has the state of the leader",
        limit,
        || async {
            let wiped = cluster.nodes[lost].status().await?;
            let whole = cluster.nodes[leader].status().await?;
            let same = wiped["state_hash"] == whole["state_hash"]
                && wiped["state_hash_index"] == whole["state_hash_index"];
            if same {
                Ok(())
            } else {
                Err(format!("{wiped} against {whole}"))
            }
        },
    )
    .await;
}
