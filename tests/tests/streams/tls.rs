//! TLS in front of a real redis, with openssl as the client.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use weir_tests::spec::certificates::{authority, pair};

use crate::bench::{Bench, Redis, TLS};

/// What redis answered to PING; empty when the connection was refused.
fn ping(bench: &Bench, name: &str, client: Option<&str>) -> String {
    let dir = bench.cluster.dir();
    let ca = dir.join("ca.pem");
    std::fs::write(&ca, authority("trusted")).unwrap();
    let mut command = Command::new("openssl");
    command
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-alpn",
            "redis",
        ])
        .args([
            "-connect",
            &format!("{}:{TLS}", bench.ip),
            "-servername",
            name,
        ])
        .args(["-verify_hostname", name, "-CAfile"])
        .arg(&ca);
    if let Some(by) = client {
        let pair = pair("client.test", by, false);
        let file = |kind: &str| dir.join(format!("client-{by}.{kind}"));
        std::fs::write(file("pem"), pair.cert).unwrap();
        std::fs::write(file("key"), pair.key).unwrap();
        command
            .arg("-cert")
            .arg(file("pem"))
            .arg("-key")
            .arg(file("key"));
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // QUIT ends it from the other side.
    let mut stdin = child.stdin.take().unwrap();
    let written = stdin.write_all(b"PING\r\nQUIT\r\n");
    let output = child.wait_with_output().unwrap();
    // It may have been refused before it read its input.
    drop((stdin, written));
    String::from_utf8(output.stdout).unwrap()
}

fn ssl(name: &str, more: Value) -> Value {
    let pair = pair(name, "trusted", false);
    let mut ssl = json!({"sni": name, "cert": pair.cert, "key": pair.key});
    if let (Value::Object(ssl), Value::Object(more)) = (&mut ssl, more) {
        ssl.extend(more);
    }
    ssl
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_reaches_redis_by_name_and_by_certificate() {
    let bench = Bench::start().await;
    let redis = Redis::start(&bench).await;
    bench.put("ssls/1", &ssl("open.test", json!({}))).await;
    let client = json!({"client": {"ca": authority("trusted")}});
    bench.put("ssls/2", &ssl("closed.test", client)).await;
    bench.put("ssls/3", &ssl("nowhere.test", json!({}))).await;
    let route = |sni: &str| json!({"sni": sni, "upstream": redis.upstream()});
    bench.put("stream_routes/1", &route("open.test")).await;
    bench.put("stream_routes/2", &route("*osed.test")).await;
    let good = "+PONG\r\n+OK\r\n";
    assert_eq!(ping(&bench, "open.test", None), good);
    assert_eq!(ping(&bench, "closed.test", Some("trusted")), good);
    assert_eq!(ping(&bench, "closed.test", Some("other")), "");
    assert_eq!(ping(&bench, "closed.test", None), "");
    assert_eq!(ping(&bench, "nowhere.test", None), "");
    assert_eq!(ping(&bench, "unknown.test", None), "");
    let lines = bench.streams(6).await;
    let reasons: Vec<&str> = lines
        .iter()
        .map(|line| line["reason"].as_str().unwrap_or_default())
        .collect();
    let refused = "tls_refused";
    assert_eq!(reasons, ["", "", refused, refused, "no_route", refused]);
    assert_eq!(lines[0]["sni"], "open.test");
}
