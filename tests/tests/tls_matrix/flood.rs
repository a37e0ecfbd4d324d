//! A flood of handshakes that cost their client nothing (one recorded hello, sent again and again)
//! leaves good clients most of their throughput.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::mint::{Authority, Kind};
use super::replacing::Run;
use super::setup::Bench;

/// Hellos a second.
const RATE: u64 = 1000;
/// Clients that keep their connections.
const GOOD: usize = 4;

/// The first flight of a client.
fn hello(run: &Run) -> Vec<u8> {
    let name = ServerName::try_from("live.test").unwrap();
    let mut client = rustls::ClientConnection::new(run.config(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Sends hellos at [`RATE`] for `time`; how many were answered.
async fn flood(address: SocketAddr, hello: &[u8], time: Duration) -> u64 {
    let (answered, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    while begun.elapsed() < time {
        beat.tick().await;
        for _ in 0..RATE / 100 {
            let (answered, hello) = (Arc::clone(&answered), hello.to_vec());
            tasks.spawn(async move {
                let Ok(mut stream) = TcpStream::connect(address).await else {
                    return;
                };
                let mut first = [0; 64];
                if stream.write_all(&hello).await.is_ok()
                    && stream.read(&mut first).await.is_ok_and(|read| read > 0)
                {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while tasks.try_join_next().is_some() {}
    }
    tasks.abort_all();
    answered.load(Ordering::Relaxed)
}

/// Answers a second that the good clients got.
async fn throughput<T>(run: &Run, work: impl Future<Output = T>) -> (f64, T) {
    let (before, begun) = (run.answers(), Instant::now());
    let done = work.await;
    let answers = run.answers() - before;
    (answers as f64 / begun.elapsed().as_secs_f64(), done)
}

/// An agent with a certificate, and clients of it.
async fn bench() -> (Bench, Arc<Run>) {
    let bench = Bench::start("").await;
    let dir = bench.cluster.dir();
    let servers = Authority::new(dir, "servers");
    let minted = servers.mint(dir, "live", "live.test", Kind::Ecdsa);
    let object = json!({"sni": "live.test", "cert": minted.cert, "key": minted.key});
    bench.put("ssls/live", object).await;
    let run = Run::new(format!("{}:9443", bench.agent.ip), &servers);
    (bench, Arc::new(run))
}

async fn measure(time: Duration, share: f64) -> Result<(), String> {
    let (bench, run) = bench().await;
    let address = SocketAddr::from((bench.agent.ip, 9443));
    let hello = hello(&run);
    let mut clients = JoinSet::new();
    for _ in 0..GOOD {
        clients.spawn(Arc::clone(&run).client(true));
    }
    let quiet = || tokio::time::sleep(time / 2);
    let (before, ()) = throughput(&run, quiet()).await;
    let flooding = flood(address, &hello, time);
    let (during, answered) = throughput(&run, flooding).await;
    let (after, ()) = throughput(&run, quiet()).await;
    run.stop();
    while clients.join_next().await.is_some() {}
    let alone = (before + after) / 2.0;
    let told = format!(
        "alone {before:.0}/s and {after:.0}/s, in the flood {during:.0}/s ({:.2}), {:.0} hellos/s answered",
        during / alone,
        answered as f64 / time.as_secs_f64(),
    );
    println!("{told}");
    assert!(run.failures().is_empty(), "{:?}", run.failures());
    assert!(answered > 0, "the flood came through");
    (during >= alone * share).then_some(()).ok_or(told)
}

/// On a machine that builds something else meanwhile: that good clients are not starved. What it has
/// no time for is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_handshakes_starves_nobody() {
    let mut told = Vec::new();
    for _ in 0..3 {
        match measure(Duration::from_secs(3), 0.3).await {
            Ok(()) => return,
            Err(what) => told.push(what),
        }
    }
    panic!("{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make soak"]
async fn a_flood_of_handshakes_leaves_four_fifths() {
    let seconds = std::env::var("WEIR_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(60);
    measure(Duration::from_secs(seconds), 0.8).await.unwrap();
}
