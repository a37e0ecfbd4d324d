//! An agent that gets no file descriptor any more.

use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::setup::{Bench, node};

/// Sets the limit of open files of a running process.
fn limit(pid: u32, files: u32) {
    let mut command = Command::new("prlimit");
    command.args([
        "--pid",
        &pid.to_string(),
        &format!("--nofile={files}:20000"),
    ]);
    assert!(command.status().expect("prlimit of util-linux").success());
}

/// Time on the CPU so far.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    // The unit of user space is a hundredth of a second on Linux.
    Duration::from_millis(ticks * 10)
}

async fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    while !answer.ends_with("ok") {
        let mut piece = [0; 1024];
        let size = stream.read(&mut piece).await.unwrap();
        assert!(size > 0, "the connection ended: {answer}");
        answer.push_str(std::str::from_utf8(&piece[..size]).unwrap());
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_descriptors_open_connections_are_served_and_nothing_spins() {
    let mut bench = Bench::start("connections: off").await;
    let node = node(Duration::ZERO).await;
    bench
        .route("1", serde_json::json!({"uri": "/*"}), node)
        .await;
    let mut open = TcpStream::connect(bench.address()).await.unwrap();
    ask(&mut open).await;
    let pid = bench.agent.process().pid();
    limit(pid, 8);
    // The kernel takes them; the agent cannot.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(bench.address()).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        waiting.push(stream);
    }
    let before = cpu(pid);
    for _ in 0..20 {
        assert!(ask(&mut open).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used = cpu(pid).saturating_sub(before);
    assert!(
        used < Duration::from_secs(1),
        "{used:?} of the CPU in two seconds"
    );
    limit(pid, 20_000);
    for stream in &mut waiting {
        let mut first = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut first));
        read.await.expect("an answer").unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    assert!(bench.metric("weir_proxy_accept_failures_total").await > 0.0);
}
