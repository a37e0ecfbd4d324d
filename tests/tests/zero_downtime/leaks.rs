//! Churn of routes, upstreams and connections leaves nothing behind.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::vitals::slope;
use weir_tests::wait::until;
use weir_tests::{Client, Plan, Steady, TimedOrigin, Vitals};

use crate::setup::{Bench, soak_time};

/// Objects of one round.
const OBJECTS: usize = 3;
/// Growth of memory that is noise, in KiB.
const NOISE: f64 = 2048.0;
/// "RSS slope <= 1 MiB/h", in KiB.
const PER_HOUR: f64 = 1024.0;

/// One round: back ends, upstreams and routes come, are used over all kinds of connections, and go.
async fn round(bench: &Bench, number: u64) {
    let second = TimedOrigin::start("short-lived").await;
    for object in 0..OBJECTS {
        let upstream = json!({"nodes": {second.node(): 1, bench.origin.node(): 1},
            "keepalive_pool": {"idle_timeout": 1},
            "checks": {"active": {"http_path": "/up", "healthy": {"interval": 1}}}});
        let name = format!("{number}-{object}");
        let node = &bench.cluster.nodes[0];
        node.put(&format!("upstreams/{name}"), &upstream).await;
        let route = json!({"uri": format!("/{name}"), "upstream_id": name, "plugins":
            {"limit-count": {"count": 1_000_000, "time_window": 60, "key": "remote_addr"}}});
        let last = node.put(&format!("routes/{name}"), &route).await;
        bench.agent.applied(revision(&last)).await;
        let plan = Plan {
            streams: 1,
            pause: Duration::ZERO,
            ..Plan::mixed(bench.agent.http(), &format!("/{name}"))
        };
        let steady = Steady::start(&plan).await;
        steady.more(20).await;
        steady.stop().await.assert_untouched();
    }
    let mut last = None;
    for object in 0..OBJECTS {
        for kind in ["routes", "upstreams"] {
            let path = format!("{kind}/{number}-{object}");
            let node = &bench.cluster.nodes[0];
            let answer = node.try_admin(Method::DELETE, &path, &Value::Null).await;
            let answer = answer.unwrap();
            assert!(answer.status.is_success(), "{path}: {}", answer.text());
            last = Some(revision(&answer));
        }
    }
    bench.agent.applied(last.unwrap()).await;
}

/// Waits until the agent holds no more than `baseline`.
async fn returns_to(bench: &mut Bench, baseline: Vitals) {
    let pid = bench.agent.process().pid();
    let client = Client::default();
    let url = bench.agent.status_url("/metrics");
    until(
        "descriptors and connections go back",
        PATIENCE * 2,
        || async {
            let now = Vitals::of(pid);
            let metrics = client.try_get(&url).await?.text();
            let open = |name: &str| {
                let lines = metrics.lines().filter(|line| line.starts_with(name));
                let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
                values.sum::<f64>()
            };
            let (connections, requests) = (
                open("weir_proxy_connections "),
                open("weir_proxy_requests_in_flight "),
            );
            // The client of this test has one to the status port.
            let fits =
                now.descriptors <= baseline.descriptors + 1 && now.threads <= baseline.threads;
            if fits && connections == 0.0 && requests == 0.0 {
                Ok(())
            } else {
                Err(format!(
                    "{now:?}, {connections} connections, {requests} requests; at first {baseline:?}"
                ))
            }
        },
    )
    .await;
}

/// Rounds for `time`; at least three.
async fn churn(time: Duration) -> Vec<(f64, f64)> {
    let mut bench = Bench::start(&["--workers", "2"]).await;
    let pid = bench.agent.process().pid();
    // Once, so that everything that is made on first use is there.
    round(&bench, 0).await;
    returns_to(
        &mut bench,
        Vitals {
            descriptors: 64,
            threads: 64,
            memory: 0,
        },
    )
    .await;
    let baseline = Vitals::of(pid);
    let began = Instant::now();
    let mut memory = Vec::new();
    let mut number = 1;
    while number <= 2 || began.elapsed() < time {
        round(&bench, number).await;
        number += 1;
        memory.push((
            began.elapsed().as_secs_f64() / 3600.0,
            Vitals::of(pid).memory as f64,
        ));
    }
    returns_to(&mut bench, baseline).await;
    println!(
        "{number} rounds: {} descriptors and {} threads at first, {:?} at the end",
        baseline.descriptors,
        baseline.threads,
        Vitals::of(pid)
    );
    memory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_and_threads_go_back_after_churn() {
    churn(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_churn_leaves_nothing_behind() {
    let memory = churn(soak_time()).await;
    // After the warm-up.
    let steady = &memory[memory.len() / 3..];
    let slope = slope(steady);
    let hours = steady[steady.len() - 1].0 - steady[0].0;
    println!("memory grows by {slope:.0} KiB/h over {hours:.2} h: {steady:?}");
    assert!(
        slope <= PER_HOUR || slope * hours <= NOISE,
        "{slope:.0} KiB/h: {steady:?}"
    );
}
