//! Connections: large bodies, HTTP/2, drain, TLS.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::setup::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_stream_both_ways_and_h2c_is_spoken() {
    let bench = Bench::start("large").await;
    bench
        .put(
            "routes/r",
            json!({"uri": "/*", "upstream": {"nodes": {bench.origin.node(): 1}}}),
        )
        .await;
    let body = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    let url = bench.agent.url("/big");
    let answer = bench
        .agent
        .client
        .send(Method::POST, &url, &[], body.clone())
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["body"].as_str().unwrap().len(), body.len());

    let output = std::process::Command::new("curl")
        .args([
            "-sS",
            "--http2-prior-knowledge",
            "-w",
            "%{http_version}",
            "-o",
            "/dev/null",
        ])
        .arg(bench.agent.url("/h2"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2", "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_open() {
    let mut bench = Bench::start("drain").await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = slow.local_addr().unwrap().to_string();
    bench
        .put(
            "routes/r",
            json!({"uri": "/*", "upstream": {"nodes": {node: 1}}}),
        )
        .await;
    let url = bench.agent.url("/slow");
    let client = bench.agent.client.clone();
    let open = tokio::spawn(async move { client.try_get(&url).await });
    let (mut stream, _) = slow.accept().await.unwrap();
    bench.agent.process().signal("TERM");
    weir_tests::wait::until(
        "new connections are refused",
        Duration::from_secs(10),
        || async {
            match TcpStream::connect((bench.agent.ip, 9080)).await {
                Err(_) => Ok(()),
                Ok(_) => Err("still accepts"),
            }
        },
    )
    .await;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        .await
        .unwrap();
    let answer = open.await.unwrap().unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, "done")
    );
    let status = bench.agent.process().wait(Duration::from_secs(20));
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_offers_the_certificate_of_the_server_name() {
    let bench = Bench::start("tls").await;
    let certificate = |name: &str| {
        let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let file = bench
            .cluster
            .dir()
            .join(format!("{}.pem", name.replace('*', "any")));
        std::fs::write(&file, pair.cert.pem()).unwrap();
        (
            json!({"snis": [name], "cert": pair.cert.pem(), "key": pair.signing_key.serialize_pem()}),
            file,
        )
    };
    let (exact, exact_file) = certificate("api.tls.test");
    let (wildcard, wildcard_file) = certificate("*.tls.test");
    bench.put("ssls/exact", exact).await;
    bench.put("ssls/wildcard", wildcard).await;
    bench
        .put(
            "routes/r",
            json!({"uri": "/*", "upstream": {"nodes": {bench.origin.node(): 1}}}),
        )
        .await;
    let curl = |name: &str, ca: &std::path::Path| {
        std::process::Command::new("curl")
            .args([
                "-sS",
                "--max-time",
                "10",
                "-w",
                "\n%{http_version}",
                "--cacert",
            ])
            .arg(ca)
            .args(["--resolve", &format!("{name}:9443:{}", bench.agent.ip)])
            .arg(format!("https://{name}:9443/"))
            .output()
            .unwrap()
    };
    for (name, ca) in [
        ("api.tls.test", &exact_file),
        ("other.tls.test", &wildcard_file),
    ] {
        let output = curl(name, ca);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {output:?}");
        let (body, version) = text.rsplit_once('\n').unwrap();
        assert_eq!(version, "2", "{name}: HTTP/2 by ALPN");
        let seen: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(seen["headers"]["x-forwarded-proto"], "https", "{name}");
    }
    assert!(
        !curl("api.tls.test", &wildcard_file).status.success(),
        "exact before wildcard"
    );
    assert!(
        !curl("unknown.test", &exact_file).status.success(),
        "no certificate, no handshake"
    );
}
