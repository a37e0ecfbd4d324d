//! kill -9 of the leader in the middle of writes loses nothing that was acknowledged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use weir_tests::cluster::PATIENCE;
use weir_tests::{Cluster, wait};

const WRITES: u64 = 2_000;
const KILL_AT: u64 = 700;
/// "Writing goes on within 3 s."
const GAP: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_leader_loses_no_acknowledged_write() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut acknowledged = BTreeMap::new();
    let mut target = (leader + 1) % 3;
    let mut killed_at = None;
    let mut gap = None;

    for write in 0..WRITES {
        if write == KILL_AT {
            cluster.nodes[leader].kill();
            killed_at = Some(Instant::now());
        }
        let id = format!("w{}", write % 50);
        let body = json!({"uri": format!("/w/{write}"), "upstream": {"nodes": {"127.0.0.1:1": 1}}});
        let limit = Instant::now() + PATIENCE;
        // An operator's script: try again elsewhere until it is acknowledged.
        loop {
            let answer = cluster.nodes[target]
                .try_admin(Method::PUT, &format!("routes/{id}"), &body)
                .await;
            match answer {
                Ok(answer) if answer.status.is_success() => break,
                other => {
                    assert!(
                        Instant::now() < limit,
                        "write {write} never succeeded: {other:?}"
                    );
                    target = (target + 1) % 3;
                    if target == leader {
                        target = (target + 1) % 3;
                    }
                }
            }
        }
        if let (Some(at), None) = (killed_at, gap) {
            gap = Some(at.elapsed());
        }
        acknowledged.insert(id, write);
    }
    let gap = gap.unwrap();
    println!(
        "leader kill -9 to next acknowledged write: {} ms",
        gap.as_millis()
    );
    assert!(gap <= GAP, "writing went on only after {gap:?}");

    cluster.nodes[leader].start();
    cluster.nodes[leader].ready().await;
    cluster.settled(3).await;
    for node in &cluster.nodes {
        wait::until(
            &format!("node {} has every write", node.id),
            PATIENCE,
            || async {
                let answer = node
                    .try_admin(Method::GET, "routes?consistency=stale", &Value::Null)
                    .await?;
                let list = answer.json();
                for (id, write) in &acknowledged {
                    let found = list["list"].as_array().and_then(|items| {
                        items.iter().find(|item| item["value"]["id"] == id.as_str())
                    });
                    let uri = found.map(|item| item["value"]["uri"].clone());
                    if uri != Some(json!(format!("/w/{write}"))) {
                        return Err(format!("{id}: expected write {write}, has {uri:?}"));
                    }
                }
                Ok(())
            },
        )
        .await;
    }
}
