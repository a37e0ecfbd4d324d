//! References to secrets, resolved by an agent: from its environment and from what speaks Vault's
//! protocol.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use weir_tests::{Bench, wait};

/// A Vault (key-value store, version 2) whose only secret is `jack`, for the token `hush`.
struct Vault {
    port: u16,
    is_sealed: Arc<AtomicBool>,
}

impl Vault {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_sealed = Arc::new(AtomicBool::new(false));
        let sealed = Arc::clone(&is_sealed);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sealed = Arc::clone(&sealed);
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    loop {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let head = head.to_ascii_lowercase();
                        let (status, body) = match () {
                            () if sealed.load(Ordering::SeqCst) => ("503 Sealed", json!({})),
                            () if !head.contains("\r\nx-vault-token: hush\r\n") => {
                                ("403 No", json!({}))
                            }
                            () if !head.starts_with("get /v1/kv/data/jack http") => {
                                ("404 No", json!({}))
                            }
                            () => (
                                "200 OK",
                                json!({"data": {"data": {"key": "jacks-key"}, "metadata": {}}}),
                            ),
                        };
                        let body = body.to_string();
                        let length = body.len();
                        let answer =
                            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, is_sealed }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_become_values_on_the_agent_only() {
    let (vault, bench) = (Vault::start().await, Bench::start().await);
    let manager = json!({"uri": format!("http://127.0.0.1:{}", vault.port), "prefix": "kv/data", "token": "hush"});
    bench.put("secrets/vault/1", manager).await;
    let reference = "$secret://vault/1/jack/key";
    let jack = json!({"username": "jack", "plugins": {"key-auth": {"key": reference}}});
    bench.put("consumers/jack", jack).await;
    let jill =
        json!({"username": "jill", "plugins": {"key-auth": {"key": "$secret://vault/1/jill/key"}}});
    bench.put("consumers/jill", jill).await;
    bench.route("auth", json!({"key-auth": {}})).await;
    let home = json!({"upstream-auth": {"key": {"header": "x-home", "value": "$env://HOME"}}});
    bench.route("env", home).await;
    let unset =
        json!({"upstream-auth": {"key": {"header": "x-a", "value": "$env://WEIR_IS_NOT_SET"}}});
    bench.route("unset", unset).await;

    let answer = bench.get("/auth", &[("apikey", "jacks-key")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["headers"]["x-consumer-username"], "jack");
    for key in [reference, "$secret://vault/1/jill/key", "", "null"] {
        assert_eq!(
            bench.get("/auth", &[("apikey", key)]).await.status,
            401,
            "{key}"
        );
    }
    let answer = bench.get("/env", &[]).await;
    assert_eq!(
        answer.json()["headers"]["x-home"],
        std::env::var("HOME").unwrap()
    );
    // What lacks its value is not there, and the agent says which it is.
    assert_eq!(bench.get("/unset", &[]).await.status, 404);
    wait::until("the agent tells", Duration::from_secs(20), || async {
        let status = bench.agent.status().await?.to_string();
        if status.contains("the value of $env://WEIR_IS_NOT_SET is not known") {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
    // Values are on no disk.
    for file in walk(&bench.agent.data_dir()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("jacks-key"), "{}", file.display());
    }
    // What is known stays in use through an outage.
    vault.is_sealed.store(true, Ordering::SeqCst);
    bench.route("other", json!({"key-auth": {}})).await;
    let answer = bench.get("/other", &[("apikey", "jacks-key")]).await;
    assert_eq!(answer.status, 200);
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| {
        if path.is_dir() {
            walk(&path)
        } else {
            vec![path]
        }
    });
    found.collect()
}
