//! Hostile HTTP/2 against the built binary: frames that break the rules one by one, and clients that
//! keep the rules and abuse them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "test code"
)]

mod attacks;
mod case;
mod cases;
mod client;
mod frames;
mod h2spec;
mod hpack;
mod load;
mod recorder;
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

use load::Load;
use stage::{Good, Stage};

/// Attackers at the same time.
const ATTACKERS: usize = 4;
/// What a request may take longer because this process and the node have to run as well.
const SLACK: Duration = Duration::from_millis(30);
/// What the agent may grow by while it is attacked, in bytes.
const GROWTH: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_refused_or_forwarded_in_one_form() {
    let mut stage = Stage::start().await;
    let cases = cases::all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "names are not unique");
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for target in [&stage.clear, &stage.tls] {
        let good = Good::connect(target).await;
        for case in &cases {
            if let Err(what) = case::run(case, target, &stage.node).await {
                wrong.push(format!("{} ({}): {what}", case.name, target.scheme()));
            }
            match good.ask().await {
                Ok(200) => {}
                other => wrong.push(format!("good client after {}: {other:?}", case.name)),
            }
        }
    }
    let count = 2 * cases.len();
    assert!(
        wrong.is_empty(),
        "{} of {count} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(stage.agent.process().runs(), "the agent ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_is_ended_and_good_clients_are_served() {
    let mut stage = Stage::start().await;
    let load = Load::start(&stage.clear).await;
    // What the first requests need is not the attackers' doing.
    load.answers(50).await;
    let before = stage.memory();
    let mut wrong = Vec::new();
    for attack in attacks::all() {
        for target in [&stage.clear, &stage.tls] {
            let one = attack.run(target);
            let Ok(outcome) = tokio::time::timeout(client::PATIENCE, one).await else {
                wrong.push(format!(
                    "{} goes on for {:?}",
                    attack.name,
                    client::PATIENCE
                ));
                continue;
            };
            if !attack.ended_well(&outcome) {
                wrong.push(format!(
                    "{}: {outcome:?}, expected {:?}",
                    attack.name, attack.end
                ));
            }
        }
        let grown = stage.memory().saturating_sub(before);
        if grown > GROWTH {
            wrong.push(format!("{}: the agent has {grown} bytes more", attack.name));
        }
    }
    let failed = load.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        failed.failures,
        Vec::<String>::new(),
        "good requests failed"
    );
    let text = stage
        .agent
        .client
        .try_get(&stage.agent.status_url("/metrics"))
        .await
        .unwrap()
        .text();
    assert!(
        text.contains("weir_proxy_http2_expelled_total{budget=\"resets\"}"),
        "{text}"
    );
}

/// Each attack over four connections, for `WEIR_SOAK_SECONDS` in all.
#[ignore = "long: make soak"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_cost_good_clients_little() {
    let seconds = std::env::var("WEIR_SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let attacks = attacks::all();
    let count = u32::try_from(attacks.len()).unwrap();
    let turn = (Duration::from_secs(seconds.unwrap_or(60)) / count / 2).max(Duration::from_secs(2));
    let mut stage = Stage::start().await;
    let load = Load::start(&stage.clear).await;
    load.answers(200).await;
    let before = stage.memory();
    let mut wrong = Vec::new();
    for attack in &attacks {
        let used = stage.processor_time();
        let quiet = load.during(tokio::time::sleep(turn)).await;
        let for_good = (stage.processor_time() - used).as_secs_f64() / quiet.answers.max(1) as f64;
        let used = stage.processor_time();
        let attackers = (0..ATTACKERS).map(|_| attack.keep_on(&stage.clear, turn));
        let (attacked, outcomes) = load.both(futures_util::future::join_all(attackers)).await;
        let used = (stage.processor_time() - used).as_secs_f64();
        let for_attackers = (used - for_good * attacked.answers as f64).max(0.0);
        let each = for_attackers / turn.as_secs_f64() / ATTACKERS as f64;
        let share = attacked.per_second / quiet.per_second.max(1.0);
        let grown = stage.memory().saturating_sub(before);
        let slow = outcomes.into_iter().flatten().filter(|outcome| {
            attack.end != attacks::End::Limit && outcome.lasted > Duration::from_secs(1)
        });
        let slow: Vec<_> = slow.collect();
        let told = format!(
            "{}: {:.1} % of the good requests, p99 {:?} ({:?} without), {:.1} % of a processor for each attacker, \
             {} KiB more; ended late: {slow:?}",
            attack.name,
            share * 100.0,
            attacked.p99,
            quiet.p99,
            each * 100.0,
            grown >> 10
        );
        println!("{told}");
        let late = attacked.p99 > quiet.p99 * 2 + SLACK;
        if share < 0.95 || late || each > 0.05 || grown > GROWTH || !slow.is_empty() {
            wrong.push(told);
        }
    }
    let done = load.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(done.failures, Vec::<String>::new(), "good requests failed");
}
