//! The life of a worker thread: accept until told to end, then drain by the deadline.

use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;
use weir_plugin_api::Scheme;

use super::{Parts, Worker, listener};
use crate::http::connection;

/// How often the wheel turns and batches leave. It also keeps hyper's own timers cheap, since the
/// runtime always has a near deadline.
const HEARTBEAT: Duration = Duration::from_millis(50);
/// How often idle connections to nodes are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// Pauses of the accept loop when the process has no file descriptor left.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What the gateway wants of its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Serve.
    Run,
    /// Accept nothing more, finish what is open until this time, then end.
    Drain(Instant),
    /// End now.
    Stop,
}

/// What is spoken on a listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrance {
    /// Cleartext or TLS.
    pub scheme: Scheme,
    /// Whether every connection begins with a PROXY header.
    pub relayed: bool,
}

/// A listening socket.
pub struct Listener {
    /// The socket, not blocking.
    pub socket: StdListener,
    /// What is spoken on it.
    pub entrance: Entrance,
}

/// Runs a worker on the current thread until it is told to end.
///
/// # Errors
/// The runtime cannot be built, or a socket cannot be registered with it.
pub fn run(
    parts: Parts,
    listeners: Vec<Listener>,
    orders: watch::Receiver<Order>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, serve(parts, listeners, orders))
}

async fn serve(
    parts: Parts,
    listeners: Vec<Listener>,
    mut orders: watch::Receiver<Order>,
) -> std::io::Result<()> {
    let worker = Rc::new(Worker::new(parts));
    worker.refresh();
    let mut accepting = Vec::new();
    for listener in listeners {
        let socket = TcpListener::from_std(listener.socket)?;
        let accept = accept(
            Rc::clone(&worker),
            socket,
            listener.entrance,
            orders.clone(),
        );
        accepting.push(tokio::task::spawn_local(accept));
    }
    let beat = tokio::task::spawn_local(heartbeat(Rc::clone(&worker)));
    // An error means that the gateway is gone, which is an order to stop.
    let order = orders
        .wait_for(|order| *order != Order::Run)
        .await
        .map_or(Order::Stop, |order| *order);
    for task in accepting {
        // It ends by the same order.
        let _ = task.await;
    }
    worker.drain.begin();
    if let Order::Drain(deadline) = order {
        tokio::select! {
            () = worker.drain.emptied() => {}
            () = tokio::time::sleep_until(deadline.into()) => {}
            _ = orders.wait_for(|order| *order == Order::Stop) => {}
        }
    }
    worker.metrics.cut_off.set(worker.metrics.in_flight.get());
    beat.abort();
    worker.pool.sweep(Instant::now());
    if let Some(log) = &worker.log {
        log.flush();
    }
    Ok(())
}

async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    entrance: Entrance,
    mut orders: watch::Receiver<Order>,
) {
    let mut pause = BACKOFF.0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = orders.wait_for(|order| *order != Order::Run) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = BACKOFF.0;
                open(&worker, stream, entrance);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, pausing");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
    // What the kernel had already accepted for us would be reset when the socket closes.
    for _ in 0..listener::BACKLOG {
        match listener.accept().now_or_never() {
            Some(Ok((stream, _))) => open(&worker, stream, entrance),
            _ => return,
        }
    }
}

fn open(worker: &Rc<Worker>, stream: TcpStream, entrance: Entrance) {
    worker.metrics.accepted.add(1);
    tokio::task::spawn_local(connection::serve(Rc::clone(worker), stream, entrance));
}

fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

async fn heartbeat(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(HEARTBEAT);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut swept = Instant::now();
    loop {
        let now = interval.tick().await.into_std();
        let now = now.max(Instant::now());
        worker.wheel.advance(now);
        worker.refresh();
        worker.pool.make_room();
        if let Some(log) = &worker.log {
            log.flush();
        }
        if now.duration_since(swept) >= SWEEP {
            swept = now;
            worker.pool.sweep(now);
            worker.metrics.idle.set(worker.pool.len() as u64);
        }
    }
}
