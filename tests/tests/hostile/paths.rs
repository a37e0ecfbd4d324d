//! The corpus of paths: route match, plugins and node agree on one meaning.

use std::path::Path;

use serde_json::json;
use weir_tests::hostile::corpus;
use weir_tests::hostile::paths::{Observed, PathCase};
use weir_tests::hostile::recorder::{Recorder, Seen};
use weir_tests::hostile::text;
use weir_tests::hostile::wire::{Stop, Way};

use super::setup::{Bench, address};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn route_match_plugins_and_node_agree_on_every_path() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/paths.yaml");
    let cases: Vec<PathCase> = corpus::read(&file);
    let node = Recorder::start().await;
    let mut bench = Bench::start().await;
    bench.routes(node.address, &json!({})).await;
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        for (way, with_key) in [
            (Way::Plain, false),
            (Way::Plain, true),
            (Way::Tls, false),
            (Way::Tls, true),
        ] {
            let observed = observe(&bench, &node, case, (way, with_key), number).await;
            let problems = case.judge(with_key, &observed);
            let told = |problem| format!("{way:?}, key {with_key}: {}: {problem}", case.path);
            wrong.extend(problems.into_iter().map(told));
        }
    }
    bench.lives();
    println!(
        "{} paths, each with and without a key, over cleartext and TLS",
        cases.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn observe(
    bench: &Bench,
    node: &Recorder,
    case: &PathCase,
    (way, with_key): (Way, bool),
    number: usize,
) -> Observed {
    let key = if with_key { "apikey: k1\r\n" } else { "" };
    let send = format!("GET {} HTTP/1.1\r\nHost: a.test\r\n{key}\r\n", case.path);
    let outcome = bench
        .call(
            address(8, number),
            (way, "GET"),
            &text::bytes(&send),
            Stop::After(1),
        )
        .await;
    let seen = node.take().await.unwrap();
    let mut targets = seen.into_iter().map(|one| match one {
        Seen::Whole(request) => request.head.target,
        other => panic!("{}: {other}", case.path),
    });
    let node = targets.next();
    assert!(
        targets.next().is_none(),
        "{}: more than one request",
        case.path
    );
    let Some(answer) = outcome.answers.first() else {
        return Observed {
            node,
            ..Observed::default()
        };
    };
    Observed {
        status: answer.head.status,
        route: answer
            .head
            .fields
            .joined("x-route")
            .filter(|id| !id.is_empty()),
        plugin: answer.head.fields.joined("x-uri"),
        node,
    }
}
