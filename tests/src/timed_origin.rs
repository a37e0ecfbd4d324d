//! A back end in the test's own process that takes its time: `/slow/MS` answers after that many
//! milliseconds, `/ticks` goes on for ever, `/socket` becomes a WebSocket that gives every byte back,
//! everything else is answered at once.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Between two pieces of `/ticks`.
const TICK: Duration = Duration::from_millis(20);

type Pieces = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A listening back end; ends when dropped.
pub struct TimedOrigin {
    /// Where it listens.
    pub address: SocketAddr,
    open: Arc<AtomicUsize>,
    _stop: DropGuard,
}

/// Counts a request while it is open.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl TimedOrigin {
    /// Starts it on a free port; answers begin with `name`.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let stop = CancellationToken::new();
        let open = Arc::<AtomicUsize>::default();
        let (name, counted) = (Bytes::from(format!("{name}\n")), Arc::clone(&open));
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Small answers must not wait for each other.
                let _ = stream.set_nodelay(true);
                let (name, counted) = (name.clone(), Arc::clone(&counted));
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    answer(name.clone(), request, Open(Arc::clone(&counted)))
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.with_upgrades());
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Self {
            address,
            open,
            _stop: stop.drop_guard(),
        }
    }

    /// `host:port`, as a node of an upstream.
    pub fn node(&self) -> String {
        self.address.to_string()
    }

    /// Requests that are not answered whole.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// Switches to bytes that come back; what they say is between the clients and themselves.
fn socket(request: Request<Incoming>, open: Open) -> Response<StreamBody<Pieces>> {
    let key = request.headers().get("sec-websocket-key");
    let accept = accept(key.map(HeaderValue::as_bytes).unwrap_or_default());
    tokio::spawn(async move {
        let _open = open;
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        // It ends with the connection, however that ends.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept);
    let none = futures_util::stream::empty().boxed();
    response.body(StreamBody::new(none)).expect("a response")
}

/// `Sec-WebSocket-Accept` of a key (RFC 6455 section 4.2.2).
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}

async fn answer(
    name: Bytes,
    request: Request<Incoming>,
    open: Open,
) -> Result<Response<StreamBody<Pieces>>, Infallible> {
    if request.uri().path() == "/socket" {
        return Ok(socket(request, open));
    }
    let path = request.uri().path();
    if let Some(millis) = path.strip_prefix("/slow/") {
        let millis = millis.parse().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let endless = path == "/ticks";
    let pieces = futures_util::stream::unfold((open, 0u64), move |(open, count)| {
        let name = name.clone();
        async move {
            if count > 0 && !endless {
                return None;
            }
            if count > 0 {
                tokio::time::sleep(TICK).await;
            }
            Some((Ok(Frame::data(name)), (open, count + 1)))
        }
    });
    let body = StreamBody::new(pieces.boxed());
    Ok(Response::new(body))
}
