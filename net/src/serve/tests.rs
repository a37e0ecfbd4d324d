#![allow(clippy::unwrap_used, reason = "test code")]

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;

/// Longer than any limit below by far, shorter than the patience of a test runner.
const PATIENCE: Duration = Duration::from_secs(20);

const SHORT: Limits = Limits {
    head: Duration::from_millis(200),
    idle: Duration::from_millis(400),
    end: Duration::from_millis(200),
    connections: 4,
};

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    /// A slow request has begun.
    begun: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/slow",
            get(move || {
                begins.notify_one();
                async {
                    tokio::time::sleep(Duration::from_millis(1200)).await;
                    "late"
                }
            }),
        )
        .route(
            "/refuse",
            post(async || (axum::http::StatusCode::BAD_REQUEST, "no")),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, limits, stop.clone()));
    Running {
        address,
        stop,
        begun,
        task,
    }
}

/// What comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset is an end, too: what came before it counts.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read))
        .await
        .unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_let_go() {
    let server = start(SHORT).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_client_that_sends_its_head_slowly_is_let_go() {
    let server = start(SHORT).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reads, mut writes) = stream.into_split();
    let drip = tokio::spawn(async move {
        for byte in "GET / HTTP/1.1\r\n".bytes().cycle() {
            if writes.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut read = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, reads.read_to_end(&mut read))
        .await
        .unwrap();
    drip.abort();
    let read = String::from_utf8(read).unwrap();
    assert!(!read.contains("hello"), "{read}");
}

#[tokio::test]
async fn an_idle_client_is_let_go_and_a_long_request_is_not() {
    let server = start(SHORT).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let read = rest(&mut stream).await;
    assert!(read.ends_with("late"), "{read}");
}

#[tokio::test]
async fn an_answer_is_read_although_the_body_was_not() {
    let server = start(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let size = 32 * 1024 * 1024;
    let head = format!("POST /refuse HTTP/1.1\r\nhost: here\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The whole body first, as simple clients do.
    stream.write_all(&vec![b'x'; size]).await.unwrap();
    let read = rest(&mut stream).await;
    assert!(read.starts_with("HTTP/1.1 400"), "{read}");
}

#[tokio::test]
async fn connections_are_bounded_and_places_come_back() {
    let server = start(SHORT).await;
    let mut held = Vec::new();
    for _ in 0..SHORT.connections {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut more = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(rest(&mut more).await, "");
    drop(held);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
        // A refused connection may be closed before it is written to.
        let _ = stream.write_all(request).await;
        let read = rest(&mut stream).await;
        if read.ends_with("hello") {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "last seen: {read:?}"
        );
    }
}

#[tokio::test]
async fn stop_lets_open_requests_end() {
    let server = start(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n";
    stream.write_all(request).await.unwrap();
    tokio::time::timeout(PATIENCE, server.begun.notified())
        .await
        .unwrap();
    server.stop.cancel();
    let read = rest(&mut stream).await;
    assert!(read.ends_with("late"), "{read}");
    drop(stream);
    tokio::time::timeout(PATIENCE, server.task)
        .await
        .unwrap()
        .unwrap();
}
