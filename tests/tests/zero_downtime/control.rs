//! A control node that is told to end.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use weir_tests::Cluster;
use weir_tests::cluster::PATIENCE;

use crate::setup::says;

/// Rolling restarts: nobody who writes at another node has to try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_hands_over_before_it_ends() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let other = (leader + 1) % 3;
    let mut longest = Duration::ZERO;
    let mut ended = None;
    let mut write = 0;
    while ended.is_none_or(|at: u64| write < at + 20) {
        if write == 20 {
            cluster.nodes[leader].process().signal("TERM");
        }
        let route = json!({"uri": format!("/{write}"), "upstream": {"nodes": {"127.0.0.1:1": 1}}});
        let began = Instant::now();
        let put = cluster.nodes[other].try_admin(Method::PUT, "routes/w", &route);
        let answer = put.await.unwrap();
        assert!(
            answer.status.is_success(),
            "write {write}: {} {}\n{}",
            answer.status,
            answer.text(),
            cluster.nodes[leader].tail()
        );
        longest = longest.max(began.elapsed());
        write += 1;
        if ended.is_none() && !cluster.nodes[leader].process().runs() {
            ended = Some(write);
        }
    }
    println!("{write} writes across the end of the leader, the longest took {longest:.1?}");
    let process = cluster.nodes[leader].process();
    assert_eq!(process.wait(PATIENCE).code(), Some(0), "{}", process.tail());
    says(process, "leadership handed over").await;
}
