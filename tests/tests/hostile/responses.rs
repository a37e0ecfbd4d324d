//! The corpus of hostile answers over HTTP/1.1.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::json;
use weir_tests::hostile::corpus;
use weir_tests::hostile::responses::{Answer, HostileNode};
use weir_tests::hostile::wire::{Outcome, Stop, Way};

use super::setup::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_answer_becomes_two_or_reaches_another_client() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/responses.yaml");
    let answers: Vec<Answer> = corpus::read(&file);
    let node = HostileNode::start(&answers).await;
    let mut bench = Bench::start().await;
    let upstream = json!({
        "nodes": {node.address.to_string(): 1}, "retries": 0,
        "timeout": {"connect": 2, "send": 2, "read": 2},
    });
    bench
        .put("routes/case", json!({"uri": "/*", "upstream": upstream}))
        .await;
    let mut wrong = Vec::new();
    for way in [Way::Plain, Way::Tls] {
        for (number, answer) in answers.iter().enumerate() {
            let outcome = ask(&bench, way, &answer.asked, &format!("/case/{number}")).await;
            let mut problems = answer.judge(&outcome);
            // The next clients, of which one would be handed the spoiled connection.
            for next in 0..2 {
                let target = format!("/next/{number}/{next}");
                let outcome = ask(&bench, Way::Plain, "GET", &target).await;
                let own = matches!(outcome.answers.as_slice(), [one]
                    if one.head.status == 200 && one.body == target.as_bytes());
                if !own {
                    problems.push(format!("the next client got {:?}", outcome.answers));
                }
            }
            if node.reused() > 0 && !answer.reused {
                problems.push("the connection was used again".to_owned());
            }
            let told = |problem| format!("{way:?}: {}: {problem}", answer.id);
            wrong.extend(problems.into_iter().map(told));
        }
    }
    bench.lives();
    println!("{} hostile answers, over cleartext and TLS", answers.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn ask(bench: &Bench, way: Way, method: &str, target: &str) -> Outcome {
    let send = format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let from = Ipv4Addr::LOCALHOST;
    bench
        .call(from, (way, method), send.as_bytes(), Stop::After(1))
        .await
}
