//! The ceiling of memory under what takes most of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::setup::{Bench, connect_from, node};

/// What is left between an idle agent and its ceiling.
const ROOM: u64 = 96 << 20;

/// Bodies that a condition looks at, which are held whole, more of them than fit.
async fn large_body(number: usize, address: SocketAddr) {
    let Ok(mut stream) = connect_from(1_000 + number, address, false).await else {
        return;
    };
    let head = "POST /looked HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 33554432\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let piece = vec![b'x'; 64 << 10];
    // All but the last piece: it is held.
    for _ in 0..511 {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
    let mut answer = [0; 256];
    let _ = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut answer)).await;
}

/// A head that never ends, nearly as large as it may be.
async fn large_head(number: usize, address: SocketAddr) {
    let Ok(mut stream) = connect_from(2_000 + number / 50, address, false).await else {
        return;
    };
    let field = format!("X-{number}: {}\r\n", "h".repeat(7_000));
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", field.repeat(8));
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let mut answer = [0; 256];
    let _ = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut answer)).await;
}

/// Opens four requests over HTTP/2, fills the window of each body, and waits.
async fn full_windows(number: usize, address: SocketAddr) {
    let Ok(stream) = connect_from(3_000 + number, address, false).await else {
        return;
    };
    let Ok((sender, connection)) = h2::client::handshake(stream).await else {
        return;
    };
    let bodies = async {
        let mut open = Vec::new();
        for _ in 0..4 {
            let mut sender = sender.clone().ready().await?;
            let request = http::Request::post("http://a/deaf").body(()).unwrap();
            let (answer, mut body) = sender.send_request(request, false)?;
            body.send_data(vec![b'x'; 1 << 20].into(), false)?;
            open.push((answer, body));
        }
        for (answer, _) in &mut open {
            let _ = answer.await;
        }
        Ok::<_, h2::Error>(())
    };
    let both = async { tokio::join!(connection, bodies) };
    let _ = tokio::time::timeout(Duration::from_secs(3), both).await;
}

/// Asks for a hundred large answers over HTTP/2, and takes nothing of them.
async fn closed_windows(number: usize, address: SocketAddr) {
    let Ok(stream) = connect_from(4_000 + number, address, false).await else {
        return;
    };
    let mut client = h2::client::Builder::new();
    client.initial_window_size(0);
    let Ok((sender, connection)) = client.handshake::<_, bytes::Bytes>(stream).await else {
        return;
    };
    let answers = async {
        let mut open = Vec::new();
        for _ in 0..100 {
            let mut sender = sender.clone().ready().await?;
            let request = http::Request::get("http://a/big").body(()).unwrap();
            open.push(sender.send_request(request, true)?);
        }
        std::future::pending::<Result<(), h2::Error>>().await
    };
    let both = async { tokio::join!(connection, answers) };
    let _ = tokio::time::timeout(Duration::from_secs(3), both).await;
}

/// A node that takes connections, and reads nothing.
async fn deaf_node() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = socket2::SockRef::from(&listener);
    socket.set_recv_buffer_size(4096).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ceiling_holds_and_memory_comes_back() {
    the_ceiling_holds_under(|attackers, address| {
        for number in 0..16 {
            attackers.spawn(large_body(number, address));
        }
        for number in 0..1_500 {
            attackers.spawn(large_head(number, address));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ceiling_holds_while_windows_of_http2_are_full() {
    the_ceiling_holds_under(|attackers, address| {
        for number in 0..200 {
            attackers.spawn(full_windows(number, address));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ceiling_holds_while_windows_of_http2_stay_closed() {
    the_ceiling_holds_under(|attackers, address| {
        for number in 0..40 {
            attackers.spawn(closed_windows(number, address));
        }
    })
    .await;
}

async fn the_ceiling_holds_under(attack: impl FnOnce(&mut JoinSet<()>, SocketAddr)) {
    let mut bench = Bench::start("").await;
    let idle = bench.resident();
    drop(bench);
    let ceiling = idle + ROOM;
    bench = Bench::start(&format!("memory: {ceiling}, header_time: 5s")).await;
    let node = node(Duration::ZERO).await;
    let looked = serde_json::json!({"uri": "/looked", "vars": [["post_arg_a", "==", "1"]]});
    bench.route("1", looked, node).await;
    bench
        .route("2", serde_json::json!({"uri": "/*"}), node)
        .await;
    let deaf = serde_json::json!({"uri": "/deaf"});
    bench.route("3", deaf, deaf_node().await).await;
    let idle = bench.resident();
    let address = bench.address();

    let mut attackers = JoinSet::new();
    attack(&mut attackers, address);
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    tokio::spawn(async move {
        while attackers.join_next().await.is_some() {}
        end.store(true, Ordering::Relaxed);
    });
    let (mut peak, mut refused) = (0, 0);
    while !ended.load(Ordering::Relaxed) {
        peak = peak.max(bench.resident());
        if let Ok(answer) = bench.agent.get("/good").await {
            match answer.status.as_u16() {
                200 => {}
                503 => refused += 1,
                other => panic!("a good client got {other}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let [shed, closed] = [
        "weir_proxy_memory_shed_total",
        "weir_proxy_memory_idle_closed_total",
    ];
    let (shed, closed) = (bench.metric(shed).await, bench.metric(closed).await);
    // It comes back once the attackers are gone.
    let bound = idle * 13 / 10;
    let mut waited = 0;
    let mut rest = bench.resident();
    while rest > bound && waited < 60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        waited += 1;
        rest = bench.resident();
    }
    println!(
        "idle {} MiB, ceiling {} MiB, peak {} MiB; {shed} connections shed, {closed} idle ones closed, {refused} good \
         requests refused; {} MiB after {waited} s",
        idle >> 20,
        ceiling >> 20,
        peak >> 20,
        rest >> 20
    );
    assert!(
        peak <= ceiling / 100 * 105,
        "peak {peak}, ceiling {ceiling}"
    );
    assert!(rest <= bound, "idle {idle}, {rest} a minute later");
    bench
        .until("weir_proxy_memory_level", Duration::from_secs(5), |level| {
            level == 0.0
        })
        .await;
    let answer = bench.agent.get("/good").await.unwrap();
    assert_eq!(answer.status, 200);
}
