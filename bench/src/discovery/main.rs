//! What following a large registry costs a control node: a simulator of Consul with many services,
//! changes at a steady rate, one real control node and one real agent. Bounded in count and time.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "it prints its figures, and a failure ends it"
)]

mod simulator;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};
use weir_model::endpoint::EndpointSet;
use weir_tests::vitals::{Vitals, processor_time};
use weir_tests::{Agent, Cluster};

use simulator::Simulator;

/// How much, from the command line.
struct Plan {
    services: usize,
    nodes: usize,
    changes_per_second: u32,
    seconds: u32,
}

impl Plan {
    fn from_arguments() -> Self {
        let mut plan = Self {
            services: 1000,
            nodes: 50,
            changes_per_second: 100,
            seconds: 60,
        };
        let mut arguments = std::env::args().skip(1);
        while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
            let number = |text: &str| text.parse().unwrap_or_else(|_| usage());
            match name.as_str() {
                "--services" => plan.services = number(&value) as usize,
                "--nodes" => plan.nodes = number(&value) as usize,
                "--changes-per-second" => plan.changes_per_second = number(&value),
                "--seconds" => plan.seconds = number(&value),
                _ => usage(),
            }
        }
        if plan.services == 0 || plan.nodes == 0 || plan.changes_per_second == 0 {
            usage();
        }
        plan
    }
}

fn usage() -> ! {
    panic!("usage: [--services N] [--nodes N] [--changes-per-second N] [--seconds N]");
}

#[tokio::main]
async fn main() {
    let plan = Plan::from_arguments();
    let simulator = Simulator::start(plan.services, plan.nodes).await;
    let mut cluster = Cluster::start(1).await;
    configure(&cluster, &simulator, plan.services).await;
    let mut agent = Agent::start("bench", &cluster.grpc_list(), cluster.dir());
    agent.ready().await;
    let first = settle(&agent, &simulator).await;
    println!(
        "{} services of {} nodes are in the agent {first:.1?} after it was ready",
        plan.services, plan.nodes
    );

    let control = cluster.nodes.first_mut().expect("a node").process().pid();
    let pids = [("control node", control), ("agent", agent.process().pid())];
    let before = pids.map(|(_, pid)| (processor_time(pid), Vitals::of(pid).memory));
    let began = Instant::now();
    let changes = change(&simulator, &plan).await;
    let elapsed = began.elapsed();
    let after = pids.map(|(_, pid)| (processor_time(pid), Vitals::of(pid).memory));
    let last = settle(&agent, &simulator).await;
    println!(
        "{changes} changes in {elapsed:.1?}; the agent has the last state {last:.1?} after the last"
    );
    for (((name, _), before), after) in pids.iter().zip(before).zip(after) {
        let cores = after.0.saturating_sub(before.0).as_secs_f64() / elapsed.as_secs_f64();
        println!(
            "{name}: {cores:.2} cores, {} MiB resident (before: {} MiB)",
            after.1 >> 10,
            before.1 >> 10
        );
    }
}

/// One upstream and one route a service.
async fn configure(cluster: &Cluster, simulator: &Simulator, services: usize) {
    let node = cluster.nodes.first().expect("a node");
    let registry = json!({
        "type": "consul", "servers": [format!("http://{}", simulator.address)]
    });
    node.put("registries/main", &registry).await;
    for number in 0..services {
        let upstream = json!({
            "discovery_type": "consul", "service_name": simulator::name(number)
        });
        let path = format!("upstreams/{number}");
        let answer = node.try_admin(Method::PUT, &path, &upstream).await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        let route = json!({"uri": format!("/{number}"), "upstream_id": number.to_string()});
        node.put(&format!("routes/{number}"), &route).await;
    }
}

/// Changes services, one after the other, at a steady rate.
async fn change(simulator: &Arc<Simulator>, plan: &Plan) -> u32 {
    let count = plan.changes_per_second * plan.seconds;
    let mut ticks = interval(Duration::from_secs(1) / plan.changes_per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..count {
        ticks.tick().await;
        simulator.change(number as usize);
    }
    count
}

/// Waits until the agent has what the simulator has; says how long that took.
async fn settle(agent: &Agent, simulator: &Simulator) -> Duration {
    let began = Instant::now();
    let wanted: Vec<(String, String)> = simulator
        .endpoints()
        .map(|(name, endpoints)| {
            let set = EndpointSet::new(endpoints).expect("few endpoints");
            (format!("consul/*/{name}"), set.hash().to_string())
        })
        .collect();
    loop {
        let status = agent.status().await.unwrap_or_default();
        let known = |key: &str| status.get("endpoints")?.get(key)?.get("hash");
        let differing = wanted
            .iter()
            .filter(|(key, hash)| known(key) != Some(&Value::from(hash.as_str())))
            .count();
        if differing == 0 {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "{differing} of {} services still differ",
            wanted.len()
        );
        sleep(Duration::from_millis(50)).await;
    }
}
