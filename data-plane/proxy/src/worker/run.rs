//! The life of a worker thread: accept until told to end, then drain by the deadline.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use weir_plugin_api::Scheme;

use super::supervise::supervise;
use super::{Parts, Worker, listener, pulse, refusal};
use crate::http::connection::{self, Places};
use crate::{stream, tls};

/// Pauses of the accept loop when the process has no file descriptor left.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// What the gateway wants of its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Serve.
    Run,
    /// Accept nothing more, finish what is open, then end.
    Drain {
        /// From then on idle connections are closed.
        idle: Instant,
        /// What is open then is cut off.
        deadline: Instant,
    },
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
    /// What it carries.
    pub carries: Carries,
}

/// What the connections of a listening socket carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// HTTP/1.1 or HTTP/2.
    Http,
    /// Bytes, for the stream routes.
    Streams,
}

impl Entrance {
    /// For requests.
    #[must_use]
    pub const fn of_http(scheme: Scheme, relayed: bool) -> Self {
        Self {
            scheme,
            relayed,
            carries: Carries::Http,
        }
    }

    /// For streams.
    #[must_use]
    pub const fn of_streams(scheme: Scheme, relayed: bool) -> Self {
        Self {
            scheme,
            relayed,
            carries: Carries::Streams,
        }
    }
}

/// The listening sockets of one worker.
#[derive(Default)]
pub struct Listeners {
    /// For connections.
    pub tcp: Vec<Listener>,
    /// For datagrams, not blocking.
    pub udp: Vec<UdpSocket>,
}

/// A listening socket.
pub struct Listener {
    /// The socket, not blocking.
    pub socket: StdListener,
    /// What is spoken on it.
    pub entrance: Entrance,
}

impl Listeners {
    /// The same sockets once more.
    fn again(&self) -> io::Result<Self> {
        let listener = |listener: &Listener| {
            Ok(Listener {
                socket: listener.socket.try_clone()?,
                entrance: listener.entrance,
            })
        };
        Ok(Self {
            tcp: self.tcp.iter().map(listener).collect::<io::Result<_>>()?,
            udp: self
                .udp
                .iter()
                .map(UdpSocket::try_clone)
                .collect::<io::Result<_>>()?,
        })
    }
}

/// Runs a worker on the current thread until it is told to end, whatever happens.
pub fn run(parts: &Parts, listeners: Listeners, orders: &watch::Receiver<Order>) {
    // Kept until it is told to end, so that nobody is refused while it starts again.
    let kept = RefCell::new(listeners);
    let stopping = || orders.has_changed().is_err() || *orders.borrow() != Order::Run;
    supervise(parts.id, stopping, || run_once(parts, &kept, orders));
}

fn run_once(
    parts: &Parts,
    kept: &RefCell<Listeners>,
    orders: &watch::Receiver<Order>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, serve(parts.clone(), kept, orders.clone()))
}

async fn serve(
    parts: Parts,
    kept: &RefCell<Listeners>,
    mut orders: watch::Receiver<Order>,
) -> io::Result<()> {
    let worker = Rc::new(Worker::new(parts));
    worker.refresh();
    let mut accepting = JoinSet::new();
    let listeners = kept.borrow().again()?;
    for socket in listeners.udp {
        accepting.spawn_local(stream::udp::listen(&worker, socket, orders.clone())?);
    }
    for listener in listeners.tcp {
        let socket = TcpListener::from_std(listener.socket)?;
        let accept = accept(
            Rc::clone(&worker),
            socket,
            listener.entrance,
            orders.clone(),
        );
        accepting.spawn_local(accept);
    }
    let mut beat = tokio::task::spawn_local(pulse::beat(Rc::clone(&worker)));
    let newest = orders.clone();
    // An error means that the gateway is gone, which is an order to stop.
    let order = tokio::select! {
        biased;
        order = orders.wait_for(|order| *order != Order::Run) => {
            order.map_or(Order::Stop, |order| *order)
        }
        // Receivers are woken one after another: these may have heard of it first.
        Some(_) = accepting.join_next() => match *newest.borrow() {
            Order::Run if newest.has_changed().is_ok() => {
                return Err(io::Error::other("accepting ended"));
            }
            Order::Run => Order::Stop,
            order => order,
        },
        _ = &mut beat => return Err(io::Error::other("the heartbeat ended")),
    };
    kept.replace(Listeners::default());
    // They end by the same order.
    while accepting.join_next().await.is_some() {}
    worker.drain.begin();
    if let Order::Drain { idle, deadline } = order {
        let leave = async {
            tokio::time::sleep_until(idle.into()).await;
            worker.drain.end_idle();
            tokio::time::sleep_until(deadline.into()).await;
        };
        tokio::select! {
            () = worker.drain.emptied() => {}
            () = leave => {}
            _ = orders.wait_for(|order| *order == Order::Stop) => {}
        }
    }
    let cut_off = worker.metrics.in_flight.get() + worker.metrics.streams_open.get();
    worker.metrics.cut_off.set(cut_off);
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
            Ok((stream, peer)) => {
                pause = BACKOFF.0;
                open(&worker, stream, peer, entrance);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                worker.admission.connections.fail(&error);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
    // What the kernel had already accepted for us would be reset when the socket closes.
    for _ in 0..listener::BACKLOG {
        match listener.accept().now_or_never() {
            Some(Ok((stream, peer))) => open(&worker, stream, peer, entrance),
            _ => return,
        }
    }
}

fn open(worker: &Rc<Worker>, socket: TcpStream, peer: SocketAddr, entrance: Entrance) {
    worker.metrics.accepted.add(1);
    let address = peer;
    let peer = (!entrance.relayed).then_some(peer.ip());
    if entrance.scheme == Scheme::Https
        && peer.is_some_and(|peer| worker.turnstile.is_full_for(peer))
    {
        let full = tls::Failure::new(tls::FailureKind::Overloaded, "too many handshakes wait");
        return connection::handshake_failed(worker, address, &full);
    }
    let seat = worker.admission.seat(peer);
    match (entrance.carries, seat) {
        (Carries::Http, Ok(seat)) => {
            let registered = worker.holders.register();
            let places = Places {
                seat,
                holder: registered.holder(),
            };
            let serving = connection::serve(Rc::clone(worker), socket, entrance, places);
            tokio::task::spawn_local(registered.run(Box::pin(serving)));
        }
        (Carries::Streams, Ok(seat)) => {
            let serving = stream::tcp::serve(Rc::clone(worker), socket, entrance, seat);
            tokio::task::spawn_local(serving);
        }
        (Carries::Http, Err(_)) => refusal::turn_away(worker, socket, entrance),
        // There is nothing that every client of a stream would understand.
        (Carries::Streams, Err(_)) => drop(socket),
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
