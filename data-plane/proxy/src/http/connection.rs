//! One client connection: TLS or cleartext, HTTP/1.1 or HTTP/2, its time limits, and its end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use futures_util::future::LocalBoxFuture;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use weir_plugin_api::{Relay, Scheme};

use super::clock::Clock;
use super::h2::preface::{self, Beginning, PREFACE};
use super::request::Peer;
use super::{h1, h2};
use crate::admission::connections::Seat;
use crate::proxy_protocol::{self, Refused};
use crate::tls;
use crate::worker::Worker;
use crate::worker::buffers::Buffers;
use crate::worker::drain::Open;
use crate::worker::holders::Holder;
use crate::worker::run::Entrance;
use crate::worker::wheel::Timer;

/// What the requests of one connection share.
pub struct Client {
    /// Addresses and scheme.
    pub peer: Peer,
    /// Name that TLS was set up for, with what was checked.
    pub tls: Option<tls::Session>,
    /// What the connection holds.
    pub holder: Holder,
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// What is told of requests that begin and end, where many are open at once.
    clock: Option<Rc<Clock>>,
}

impl Client {
    /// Marks a request as open until the result is dropped.
    #[must_use]
    pub fn begin_request(self: &Rc<Self>) -> Busy {
        if let Some(clock) = &self.clock {
            clock.request_began();
        }
        self.holder.request_began();
        Busy {
            holder: self.holder.clone(),
            clock: self.clock.clone(),
        }
    }
}

/// An open request.
pub struct Busy {
    holder: Holder,
    clock: Option<Rc<Clock>>,
}

impl Busy {
    /// What its connection holds.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.request_ended();
        }
        self.holder.request_ended();
    }
}

/// What a connection has of the process while it is open.
pub struct Places {
    /// Its place among the connections.
    pub seat: Seat,
    /// What it holds of the memory.
    pub holder: Holder,
}

/// Serves one connection to its end.
pub async fn serve(
    worker: Rc<Worker>,
    mut stream: TcpStream,
    entrance: Entrance,
    mut places: Places,
) {
    let open = worker.drain.register();
    let _counted = Counted::new(Rc::clone(&worker));
    // A connection that is already gone has no address; there is nobody to tell.
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
        return;
    };
    let clock = Rc::new(Clock::new(worker.wheel.timer(), worker.settings.limits));
    let mut peer = Peer {
        peer,
        relay: None,
        local,
        scheme: entrance.scheme,
    };
    if entrance.relayed && !introduce(&worker, &open, &clock, &mut stream, &mut peer).await {
        worker.metrics.proxy_header_failures.add(1);
        return;
    }
    if entrance.relayed && places.seat.claim(peer.peer.ip()).is_err() {
        return;
    }
    let holder = places.holder.clone();
    match entrance.scheme {
        Scheme::Http => serve_cleartext(&worker, &open, stream, peer, holder, &clock).await,
        Scheme::Https => {
            let shaking = Box::pin(secure(&worker, &open, stream, peer, holder, &clock));
            let serving = shaking.await.map(|(stream, client)| {
                serve_http(&worker, &open, stream, BytesMut::new(), client, &clock)
            });
            if let Some(serving) = serving {
                serving.await;
            }
        }
    }
}

/// Reads the PROXY header and notes what it tells; `false` when the connection is to be closed.
async fn introduce(
    worker: &Worker,
    open: &Open,
    clock: &Clock,
    stream: &mut TcpStream,
    peer: &mut Peer,
) -> bool {
    let trusted = worker.settings.relays.as_deref();
    let address = peer.peer;
    let receiving = pin!(proxy_protocol::receive(stream, address.ip(), trusted));
    match within(&clock.timer, open, receiving).await {
        Some(Ok(Some(told))) => {
            peer.peer = told.source;
            peer.relay = Some(Relay {
                address,
                destination: told.destination,
            });
            true
        }
        Some(Ok(None)) => true,
        Some(Err(Refused::Lost(error))) => {
            tracing::debug!(%error, peer = %address, "connection ended within its PROXY header");
            false
        }
        Some(Err(error)) => {
            tracing::info!(%error, peer = %address, "connection closed: PROXY header refused");
            false
        }
        None => {
            tracing::info!(peer = %address, "connection closed: PROXY header not complete in time");
            false
        }
    }
}

/// Counts an open connection, however it ends.
struct Counted(Rc<Worker>);

impl Counted {
    fn new(worker: Rc<Worker>) -> Self {
        worker.metrics.connections.add(1);
        Self(worker)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.connections.subtract(1);
    }
}

async fn serve_cleartext(
    worker: &Rc<Worker>,
    open: &Open,
    stream: TcpStream,
    peer: Peer,
    holder: Holder,
    clock: &Rc<Clock>,
) {
    let beginning = {
        let sniffing = pin!(sniff(&worker.buffers, &stream));
        within(&clock.timer, open, sniffing).await
    };
    let Some(Ok((prefix, beginning))) = beginning else {
        return;
    };
    if beginning == Beginning::Broken {
        worker.metrics.malformed.add(1);
        tracing::debug!(peer = %peer.peer, "connection closed: broken preface of HTTP/2");
        // A client that does not listen is left at the end of its time.
        let refusing = Box::pin(preface::refuse(stream));
        let _ = within(&clock.timer, open, refusing).await;
        return;
    }
    let http2 = beginning == Beginning::Http2;
    let client = Client {
        peer,
        tls: None,
        holder,
        worker: Rc::clone(worker),
        clock: http2.then(|| Rc::clone(clock)),
    };
    serve_http(worker, open, stream, prefix, client, clock).await;
}

/// Shakes hands; `None` when nothing came of it.
async fn secure(
    worker: &Rc<Worker>,
    open: &Open,
    stream: TcpStream,
    peer: Peer,
    holder: Holder,
    clock: &Rc<Clock>,
) -> Option<(TlsStream<TcpStream>, Client)> {
    let runtime = worker.runtime();
    let certificates = runtime.map(|runtime| Arc::clone(&runtime.certificates));
    let timer = worker.wheel.timer();
    timer.arm(worker.settings.limits.handshake);
    let address = peer.peer.ip();
    let accepted = {
        let shaking = tls::accept(stream, address, certificates, &worker.turnstile);
        within(&timer, open, pin!(shaking)).await
    };
    let accepted = accepted.unwrap_or_else(|| Err(unfinished(open)));
    let (stream, session) = match accepted {
        Ok(accepted) => accepted,
        Err(failure) => {
            handshake_failed(worker, peer.peer, &failure);
            return None;
        }
    };
    worker.metrics.handshakes.add(1);
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        worker.metrics.resumptions.add(1);
    }
    let client = Client {
        peer,
        clock: session.http2.then(|| Rc::clone(clock)),
        tls: Some(session),
        holder,
        worker: Rc::clone(worker),
    };
    Some((stream, client))
}

/// Why a handshake that has not failed ends.
fn unfinished(open: &Open) -> tls::Failure {
    if open.ends_when_idle() {
        tls::Failure::new(tls::FailureKind::Draining, "the gateway stops")
    } else {
        tls::Failure::new(tls::FailureKind::Timeout, "it was not complete in time")
    }
}

/// Counts a handshake that failed, and tells of it now and then.
pub(crate) fn handshake_failed(worker: &Worker, peer: SocketAddr, failure: &tls::Failure) {
    worker.metrics.handshake_failed(failure.kind);
    if let Some(left_out) = worker.handshake_log.admit(std::time::Instant::now()) {
        tracing::info!(
            %peer,
            server_name = failure.server_name,
            kind = failure.kind.as_str(),
            left_out,
            "TLS handshake failed: {}", failure.detail
        );
    }
}

/// Runs the beginning of a connection within its limit; `None` when that is over or a drain
/// has come to idle connections. Work that takes much memory is better lent: what an async function is
/// given, it has twice.
pub(super) async fn within<T>(
    timer: &Timer,
    open: &Open,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| {
        open.wake_on_drain(cx.waker());
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        if timer.poll_expired(cx) || open.ends_when_idle() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

/// Reads until it is clear what is spoken; gives back what was read.
async fn sniff(buffers: &Buffers, stream: &TcpStream) -> io::Result<(BytesMut, Beginning)> {
    let mut read = BytesMut::new();
    loop {
        stream.readable().await?;
        buffers.unpark(&mut read, PREFACE.len());
        match stream.try_read_buf(&mut read) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                buffers.park(&mut read);
                continue;
            }
            Err(error) => return Err(error),
        }
        match Beginning::of(&read) {
            Beginning::Unclear => buffers.park(&mut read),
            beginning => return Ok((read, beginning)),
        }
    }
}

/// Serves requests. What waits for them is large, more so with TLS, and is made once: an async function
/// would have it twice.
fn serve_http<'a, S>(
    worker: &'a Rc<Worker>,
    open: &'a Open,
    stream: S,
    input: BytesMut,
    client: Client,
    clock: &'a Rc<Clock>,
) -> LocalBoxFuture<'a, ()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let client = Rc::new(client);
    if client.clock.is_some() {
        let (prefix, clock) = (input.freeze(), Rc::clone(clock));
        return Box::pin(h2::connection::serve(
            worker, open, stream, prefix, client, clock,
        ));
    }
    let entered = h1::Entered {
        worker: Rc::clone(worker),
        open,
        stream,
        input,
        client,
        timer: &clock.timer,
    };
    Box::pin(h1::serve(entered))
}
