//! Clients that ask one request after the other on connections that they keep.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// What is asked.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Bytes of the body.
    pub(crate) body: usize,
    pub(crate) connections: usize,
}

/// What came of it.
pub(crate) struct Seen {
    pub(crate) elapsed: Duration,
    /// How long each request took.
    pub(crate) times: Vec<Duration>,
}

/// Asks for so long. Anything but 200 ends the bench.
pub(crate) async fn run(address: SocketAddr, case: &Case, time: Duration) -> Seen {
    let local = LocalSet::new();
    let body = Bytes::from(vec![b'x'; case.body]);
    let request = move |method: &Method, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", "bench.test")
            .body(Full::new(body.clone()))
            .expect("a request")
    };
    let request = Rc::new(request);
    local
        .run_until(async {
            let mut senders = Vec::new();
            for _ in 0..case.connections {
                senders.push(connect(address).await);
            }
            let began = Instant::now();
            let mut tasks = JoinSet::new();
            for sender in senders {
                let request = Rc::clone(&request);
                let (method, path) = (case.method.clone(), case.path);
                tasks.spawn_local(async move {
                    let one = || request(&method, path);
                    ask(sender, one, began + time).await
                });
            }
            let mut times = Vec::new();
            while let Some(some) = tasks.join_next().await {
                times.extend(some.expect("a client"));
            }
            Seen {
                elapsed: began.elapsed(),
                times,
            }
        })
        .await
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("an option");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    sender
}

async fn ask(
    mut sender: SendRequest<Full<Bytes>>,
    request: impl Fn() -> Request<Full<Bytes>>,
    end: Instant,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        let answer = sender.send_request(request()).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.expect("the whole answer");
        }
        times.push(began.elapsed());
    }
    times
}
