//! Clients that are silent, that send their head by the byte or begin a body, and that do not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use weir_tests::Client;
use weir_tests::percentiles::percentile;

use super::setup::{Bench, connect_from, node, soak, timed};

/// Of one client address.
const PER_ADDRESS: usize = 50;
/// Of eight connections: silent (0), with a head that does not end (1), with a body that stalls (2), with
/// an answer that nobody reads (3). The last two take a connection to the node as well.
const MIX: [usize; 8] = [0, 1, 2, 0, 1, 3, 0, 1];
/// What a connection may cost the agent.
const MOST_BYTES: u64 = 20 << 10;

/// Good requests until told to stop: how long each took.
struct Good {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<(Instant, Duration)>>,
}

impl Good {
    fn start(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (stop, url) = (Arc::clone(&stop), url.to_owned());
            tasks.spawn(async move {
                let client = Client::default();
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let (answer, time) = timed(client.try_get(&url)).await;
                    let status = answer.map(|answer| answer.status.as_u16());
                    assert_eq!(status, Ok(200), "a good client failed");
                    times.push((Instant::now(), time));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                times
            });
        }
        Self { stop, tasks }
    }

    /// When each request ended, and how long it took.
    async fn end(mut self) -> Vec<(Instant, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(times) = self.tasks.join_next().await {
            all.extend(times.expect("good clients do not fail"));
        }
        all
    }
}

/// What 99 in 100 of the requests took that ended then.
fn p99(requests: Vec<(Instant, Duration)>, then: impl Fn(Instant) -> bool) -> Duration {
    let mut times = requests
        .into_iter()
        .filter(|(ended, _)| then(*ended))
        .map(|(_, time)| time)
        .collect::<Vec<_>>();
    percentile(&mut times, 99)
}

/// Keeps a connection of one kind until the agent closes it.
async fn attack(kind: usize, mut stream: TcpStream) {
    let (first, drip): (&[u8], bool) = match kind {
        0 => (b"", false),
        1 => (b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", true),
        2 => (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx",
            false,
        ),
        _ => (b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", false),
    };
    if stream.write_all(first).await.is_err() {
        return;
    }
    let mut buffer = [0; 512];
    if kind == 3 {
        // Nothing is read: the agent's end is seen by what it does to the socket.
        while stream.take_error().is_ok_and(|error| error.is_none()) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if stream.write_all(b"\r\n").await.is_err() {
                return;
            }
        }
        return;
    }
    loop {
        let pause = tokio::time::sleep(Duration::from_secs(1));
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            () = pause => if drip && stream.write_all(b"x").await.is_err() {
                return;
            },
        }
    }
}

async fn slow_and_many(count: usize) {
    // All of them come before the first one goes.
    let limit = 6 + count as u64 / 500;
    let times = ["header_time", "idle_time", "send_time", "body_time"]
        .map(|name| format!("{name}: {limit}s"));
    let limits = format!("{}, adaptive: false", times.join(", "));
    let mut bench = Bench::start(&limits).await;
    let node = node(Duration::ZERO).await;
    bench
        .route("1", serde_json::json!({"uri": "/*"}), node)
        .await;
    let url = bench.agent.url("/good");

    let good = Good::start(&url);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calm = p99(good.end().await, |_| true);
    let idle = bench.resident();

    let good = Good::start(&url);
    let open = Arc::new(AtomicUsize::new(0));
    let mut attackers = JoinSet::new();
    let address = bench.address();
    let began = Instant::now();
    for number in 0..count {
        let kind = MIX[number % MIX.len()];
        let connecting = connect_from(number / PER_ADDRESS + 256, address, kind == 3);
        let stream = connecting.await.expect("a connection");
        let open = Arc::clone(&open);
        open.fetch_add(1, Ordering::Relaxed);
        attackers.spawn(async move {
            attack(kind, stream).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
    let connected = began.elapsed();
    let most = count.min(open.load(Ordering::Relaxed));
    let loaded = bench.resident();
    let each = loaded.saturating_sub(idle) / most.max(1) as u64;
    // All of them are let go in time: the longest limit, and two slots of the wheel.
    let all_gone = async { while attackers.join_next().await.is_some() {} };
    let (gone, took) = timed(tokio::time::timeout(
        Duration::from_secs(limit + 24),
        all_gone,
    ))
    .await;
    assert!(
        gone.is_ok(),
        "{} connections are still open",
        open.load(Ordering::Relaxed)
    );
    let during = good.end().await;
    let arrived = began + connected;
    let arriving = p99(during.clone(), |ended| ended <= arrived);
    let slow = p99(during.clone(), |ended| ended > arrived);
    println!(
        "{count} slow connections in {connected:?}, {most} at once: {each} bytes each; p99 of good clients \
         {calm:?} before, {arriving:?} while they came, {slow:?} beside them ({} requests); all gone {took:?} later",
        during.len()
    );
    assert!(each <= MOST_BYTES, "{each} bytes each");
    let bound = calm * 2 + Duration::from_millis(100);
    assert!(slow <= bound, "p99 {calm:?} before, {slow:?} during");
    bench
        .until("weir_proxy_connections", Duration::from_secs(20), |open| {
            open <= 8.0
        })
        .await;
}

/// 15,000, or as many as this process and the agent have descriptors for: a quarter of the clients have a
/// request that takes one more on either side.
fn most() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"));
    let files = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    let fit = files.map_or(usize::MAX, |files: usize| files.saturating_sub(500) / 5 * 4);
    fit.min(15_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_cost_good_clients_nothing() {
    slow_and_many(1_500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_slow_connections() {
    let until = Instant::now() + soak();
    loop {
        slow_and_many(most()).await;
        if Instant::now() >= until {
            break;
        }
    }
}
