//! A real name server behind one route for UDP and TCP, with dig as the client.

use std::process::Command;

use serde_json::json;
use weir_tests::NameServer;

use crate::bench::{Bench, PLAIN};

fn dig(bench: &Bench, more: &[&str]) -> Vec<String> {
    let output = Command::new("dig")
        .args([
            &format!("@{}", bench.ip),
            "-p",
            &PLAIN.to_string(),
            "+short",
            "+tries=1",
        ])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dig_is_answered_over_udp_and_tcp() {
    let bench = Bench::start().await;
    let server = NameServer::start(bench.cluster.dir()).await;
    server.update(&["add one 60 A 192.0.2.1", "add two 60 A 192.0.2.2"]);
    let address = server.address();
    // A UDP session is over, and logged, once it was quiet for this time to read.
    let timeout = json!({"connect": 2, "send": 2, "read": 2});
    let upstream = json!({"nodes": {address.as_str(): 1}, "timeout": timeout});
    bench
        .put(
            "stream_routes/dns",
            &json!({"server_port": PLAIN, "upstream": upstream}),
        )
        .await;
    for _ in 0..20 {
        assert_eq!(dig(&bench, &["one.gw.test"]), ["192.0.2.1"]);
        assert_eq!(dig(&bench, &["+tcp", "two.gw.test"]), ["192.0.2.2"]);
    }
    // Too much for a small answer: dig is told so, and asks again over TCP.
    let many: Vec<String> = (1..60)
        .map(|n| format!("add many 60 A 198.51.100.{n}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.update(&many);
    assert_eq!(dig(&bench, &["+noedns", "many.gw.test"]).len(), 59);
    let lines = bench.streams(41).await;
    let over = |protocol: &str| {
        lines
            .iter()
            .filter(|line| line["protocol"] == protocol)
            .count()
    };
    assert!(over("TCP") >= 21, "{lines:?}");
}
