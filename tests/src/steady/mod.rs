//! Clients that notice everything: a request that fails, a connection that is closed without having
//! been told so, a stream that ends. They never send a request twice.

mod echoes;
mod extended;
mod http1;
mod http2;
mod websocket;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long one answer may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Who sends what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to.
    pub address: SocketAddr,
    /// Path of ordinary requests.
    pub path: String,
    /// Clients that keep their HTTP/1.1 connection.
    pub keep_alive: usize,
    /// Clients that open a connection for every request.
    pub fresh: usize,
    /// Clients with one HTTP/2 connection.
    pub http2: usize,
    /// Clients with one endless answer of `/ticks` over HTTP/2.
    pub streams: usize,
    /// Clients with one WebSocket at `/socket`.
    pub sockets: usize,
    /// Clients with one WebSocket at `/socket`, on a stream of HTTP/2.
    pub http2_sockets: usize,
    /// Of each one client with one connection, through a stream route to a node that gives back what
    /// it gets.
    pub relayed: Vec<SocketAddr>,
    /// Of each client, between two requests.
    pub pause: Duration,
}

impl Plan {
    /// A mixture of all kinds.
    pub fn mixed(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            path: path.to_owned(),
            keep_alive: 4,
            fresh: 2,
            http2: 2,
            streams: 2,
            sockets: 0,
            http2_sockets: 0,
            relayed: Vec::new(),
            pause: Duration::from_millis(10),
        }
    }
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    /// Connections that ended as their client was told.
    told: AtomicU64,
    pieces: AtomicU64,
    /// Connections on which something came back.
    open: AtomicUsize,
    problems: Mutex<Vec<String>>,
    ended: Mutex<Vec<String>>,
}

impl Seen {
    fn problem(&self, text: String) {
        lock(&self.problems).push(text);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Running clients.
pub struct Steady {
    stop: CancellationToken,
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
}

/// What became of them.
#[derive(Debug)]
pub struct Report {
    /// Requests that were answered 200.
    pub answered: u64,
    /// Connections that ended with `Connection: close` or GOAWAY.
    pub told: u64,
    /// Pieces of endless answers, frames of WebSockets and of stream routes.
    pub pieces: u64,
    /// Requests that failed, connections that were closed untold.
    pub problems: Vec<String>,
    /// Endless answers, WebSockets and connections of stream routes that ended.
    pub ended: Vec<String>,
}

impl Steady {
    /// Starts them; returns when each has been answered once.
    pub async fn start(plan: &Plan) -> Self {
        let mut steady = Self {
            stop: CancellationToken::new(),
            seen: Arc::default(),
            tasks: JoinSet::new(),
        };
        let mut go = |count: usize, kind: Kind| {
            for _ in 0..count {
                let client = Client {
                    plan: plan.clone(),
                    seen: Arc::clone(&steady.seen),
                    stop: steady.stop.clone(),
                };
                steady.tasks.spawn(client.run(kind));
            }
        };
        go(plan.keep_alive, Kind::KeepAlive);
        go(plan.fresh, Kind::Fresh);
        go(plan.http2, Kind::Http2);
        go(plan.streams, Kind::Stream);
        go(plan.sockets, Kind::Socket);
        go(plan.http2_sockets, Kind::Http2Socket);
        for &address in &plan.relayed {
            go(1, Kind::Relayed(address));
        }
        steady.more(1).await;
        steady
    }

    /// Waits for so many more answers.
    pub async fn more(&self, answers: u64) {
        let wanted = self.answered() + answers;
        crate::wait::until("more answers", crate::cluster::PATIENCE, || async {
            let answered = self.answered();
            if answered >= wanted {
                Ok(())
            } else {
                let problems = lock(&self.seen.problems);
                Err(format!("{answered} of {wanted}; {:?}", problems.first()))
            }
        })
        .await;
    }

    /// Waits until every WebSocket and every connection of a stream route is open.
    pub async fn opened(&self, plan: &Plan) {
        let wanted = plan.sockets + plan.http2_sockets + plan.relayed.len();
        crate::wait::until("open connections", crate::cluster::PATIENCE, || async {
            let open = self.seen.open.load(Ordering::Relaxed);
            if open >= wanted {
                Ok(())
            } else {
                let problems = lock(&self.seen.problems);
                Err(format!("{open} of {wanted}; {:?}", problems.first()))
            }
        })
        .await;
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.seen.answered.load(Ordering::Relaxed)
    }

    /// Ends the clients.
    pub async fn stop(mut self) -> Report {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a client");
        }
        Report {
            answered: self.answered(),
            told: self.seen.told.load(Ordering::Relaxed),
            pieces: self.seen.pieces.load(Ordering::Relaxed),
            problems: std::mem::take(&mut *lock(&self.seen.problems)),
            ended: std::mem::take(&mut *lock(&self.seen.ended)),
        }
    }
}

impl Report {
    /// No request failed, and no connection was closed untold.
    pub fn assert_clean(&self) {
        let first = &self.problems[..self.problems.len().min(5)];
        let count = self.problems.len();
        assert!(
            first.is_empty(),
            "{count} problems in {} answers, first: {first:#?}",
            self.answered
        );
        assert!(self.answered > 0, "nothing was sent");
    }

    /// Not even told: every connection and stream lived on.
    pub fn assert_untouched(&self) {
        self.assert_clean();
        assert_eq!(self.told, 0, "connections were closed: {self:?}");
        assert!(self.ended.is_empty(), "streams ended: {self:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    KeepAlive,
    Fresh,
    Http2,
    Stream,
    Socket,
    Http2Socket,
    Relayed(SocketAddr),
}

struct Client {
    plan: Plan,
    seen: Arc<Seen>,
    stop: CancellationToken,
}

impl Client {
    async fn run(self, kind: Kind) {
        while !self.stop.is_cancelled() {
            let connection = async {
                match kind {
                    Kind::KeepAlive => http1::connection(&self, true).await,
                    Kind::Fresh => http1::connection(&self, false).await,
                    Kind::Http2 => http2::connection(&self).await,
                    Kind::Stream => http2::stream(&self).await,
                    Kind::Socket => websocket::socket(&self).await,
                    Kind::Http2Socket => extended::socket(&self).await,
                    Kind::Relayed(address) => websocket::relayed(&self, address).await,
                }
            };
            if let Err(problem) = connection.await {
                self.seen.problem(format!("{kind:?}: {problem}"));
            }
            self.rest().await;
        }
    }

    /// The pause between two requests; `false` at the end of the test.
    async fn rest(&self) -> bool {
        let pause = tokio::time::sleep(self.plan.pause);
        self.stop.run_until_cancelled(pause).await.is_some()
    }

    fn answered(&self) {
        self.seen.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self) {
        self.seen.told.fetch_add(1, Ordering::Relaxed);
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    let done = tokio::time::timeout(LIMIT, work).await;
    done.map_err(|_| format!("{what}: not within {LIMIT:?}"))
}
