//! HTTP for operators, within bounds: a client can neither hold connections by silence or slowness,
//! nor open more than a fixed number of them.

mod activity;
mod linger;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use activity::Activity;
use linger::Linger;

/// After a failed accept; the usual reason is that the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one port allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time for the head of a request, from its first byte.
    pub head: Duration,
    /// Time without a request in progress, also before the first one and while an answer is not
    /// taken; then the connection is ended.
    pub idle: Duration,
    /// Time for what is open once a connection is to end.
    pub end: Duration,
    /// Connections at a time; more are closed at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            end: Duration::from_secs(5),
            connections: 1024,
        }
    }
}

/// Serves `router` on `listener` until `stop`, then until the open requests are answered. Handlers
/// find the peer's address as [`ConnectInfo`]. Dropped, it cuts all connections.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else {
            break;
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let connection = Connection {
                        stream,
                        peer,
                        router: router.clone(),
                        limits,
                        _place: place,
                    };
                    connections.spawn(connection.run(stop.clone()));
                }
                Err(_) => tracing::warn!(
                    %peer,
                    limit = limits.connections,
                    "connection refused: too many are open"
                ),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One client.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stop: CancellationToken) {
        let Self {
            stream,
            peer,
            router,
            limits,
            _place,
        } = self;
        // A small answer must not wait for the acknowledgement of the one before; a socket that
        // refuses the option is a slower one.
        let _ = stream.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let seen = Arc::clone(&activity);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let busy = seen.begin();
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().oneshot(request.map(Body::new));
            async move {
                let answer = answer.await;
                drop(busy);
                answer
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head);
        let io = TokioIo::new(Linger::new(stream));
        let mut served = pin!(builder.serve_connection(io, service));
        let ended = tokio::select! {
            ended = served.as_mut() => Some(ended),
            () = activity.idle_for(limits.idle) => None,
            () = stop.cancelled() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                served.as_mut().graceful_shutdown();
                match finish(served, &activity, limits.end).await {
                    Some(ended) => ended,
                    None => return tracing::debug!(%peer, "idle connection cut"),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

/// Waits for the end of a connection that was asked to end; `None` when it had no request in
/// progress for `limit`.
async fn finish<T>(
    served: Pin<&mut impl Future<Output = T>>,
    activity: &Activity,
    limit: Duration,
) -> Option<T> {
    activity.touch();
    tokio::select! {
        ended = served => Some(ended),
        () = activity.idle_for(limit) => None,
    }
}
