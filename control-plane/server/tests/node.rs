//! A whole control node on ports of its own: it starts, answers on every port, stops, and finds
//! its data and key again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_control::{Node, Options};

fn options(dir: &Path) -> Options {
    let any = || Some("127.0.0.1:0".to_owned());
    Options {
        data_dir: Some(dir.to_owned()),
        admin: any(),
        grpc: any(),
        peer: any(),
        status: any(),
        bootstrap: Some(true),
        log: Some("warn".to_owned()),
        ..Options::default()
    }
}

/// Status and body of one request.
async fn ask(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{head}\r\nhost: weir\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1"), "").await
}

async fn ready(node: &Node) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, body) = get(node.addresses().status, "/readyz").await;
        if status == 200 {
            return;
        }
        assert!(Instant::now() < deadline, "not ready: {body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_answers_stops_and_finds_its_data_again() {
    let dir = tempfile::tempdir().unwrap();
    let node = weir_control::start(options(dir.path())).await.unwrap();
    let addresses = node.addresses();
    for address in [
        addresses.admin,
        addresses.grpc,
        addresses.peer,
        addresses.status,
    ] {
        assert_ne!(address.port(), 0, "{addresses:?}");
    }
    ready(&node).await;
    assert_eq!(get(addresses.status, "/healthz").await.0, 200);

    let file = node.admin_key_file().unwrap().to_owned();
    assert_eq!(file, dir.path().join("admin.key"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let put = format!("PUT /apisix/admin/upstreams/1 HTTP/1.1\r\nx-api-key: {key}");
    let (status, body) = ask(addresses.admin, &put, "{\"nodes\":{}}").await;
    assert_eq!(status, 201, "{body}");

    let (status, body) = get(addresses.status, "/status").await;
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    for field in [
        "node_id",
        "term",
        "last_log",
        "committed",
        "applied",
        "purged",
    ] {
        assert!(body[field].is_u64(), "{field}: {body}");
    }
    assert_eq!(
        (&body["role"], &body["leader_id"]),
        (&"leader".into(), &1.into())
    );
    assert_eq!(body["state_hash"].as_str().map(str::len), Some(64));
    assert!(body["state_hash_index"].as_u64() > Some(0));
    let (status, metrics) = get(addresses.status, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "weir_control_admin_requests_total{code=\"201\"} 1",
        "weir_control_raft_role{role=\"leader\"} 1",
        "weir_control_resources 1",
        "weir_control_agents_connected 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let hash = body["state_hash"].clone();
    node.shutdown().await;
    assert!(TcpStream::connect(addresses.admin).await.is_err());

    let node = weir_control::start(options(dir.path())).await.unwrap();
    ready(&node).await;
    let path = format!("/apisix/admin/upstreams/1?api_key={key}");
    let (status, body) = get(node.addresses().admin, &path).await;
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value =
        serde_json::from_str(&get(node.addresses().status, "/status").await.1).unwrap();
    assert_eq!(body["state_hash"], hash);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ttl_runs_out() {
    let dir = tempfile::tempdir().unwrap();
    let given = Options {
        admin_key: Some("key-of-the-test".to_owned()),
        ..options(dir.path())
    };
    let node = weir_control::start(given).await.unwrap();
    assert_eq!(node.admin_key_file(), None);
    ready(&node).await;
    let admin = node.addresses().admin;
    let key = "x-api-key: key-of-the-test";
    let put = format!("PUT /apisix/admin/upstreams/1?ttl=0.1 HTTP/1.1\r\n{key}");
    assert_eq!(ask(admin, &put, "{\"nodes\":{}}").await.0, 201);
    let read = format!("GET /apisix/admin/upstreams/1 HTTP/1.1\r\n{key}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while ask(admin, &read, "").await.0 != 404 {
        assert!(Instant::now() < deadline, "still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    node.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let given = Options {
        status: Some(address.to_string()),
        ..options(dir.path())
    };
    let Err(error) = weir_control::start(given).await else {
        panic!("started on a taken port");
    };
    let text = format!("{error:#}");
    assert!(
        text.contains(&format!("status: cannot listen on {address}")),
        "{text}"
    );
}

#[tokio::test]
async fn the_file_is_read_and_judged_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("control.yaml");
    std::fs::write(
        &file,
        "node_id: 0\nadmn:\n  listen: x\ngrpc: {listen: nowhere}\n",
    )
    .unwrap();
    let given = Options {
        config: Some(file),
        grpc: None,
        ..options(dir.path())
    };
    let Err(error) = weir_control::start(given).await else {
        panic!("started with a wrong file");
    };
    let text = format!("{error:#}");
    for part in ["admn: unknown key", "admin", "grpc: expected IP:PORT"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lives_on_after_a_body_that_nobody_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let node = weir_control::start(options(dir.path())).await.unwrap();
    let mut stream = TcpStream::connect(node.addresses().admin).await.unwrap();
    for method in ["HEAD", "OPTIONS", "GET", "DELETE", "BREW"] {
        let body = "x".repeat(100_000);
        let head = format!("{method} /apisix/admin/routes HTTP/1.1\r\nhost: weir\r\n");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let mut buffer = [0; 4096];
        while !answer.contains("\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "closed after {method}: {answer}");
            answer.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        assert!(
            !answer.to_lowercase().contains("connection: close"),
            "{method}: {answer}"
        );
    }
    node.shutdown().await;
}
