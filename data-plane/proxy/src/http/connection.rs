//! One client connection: TLS or cleartext, HTTP/1.1 or HTTP/2, its time limits, and its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use weir_plugin_api::{Relay, Scheme};

use super::clock::{Clock, Timed};
use super::inbound::Inbound;
use super::request::{ClientBody, Peer};
use super::{h2, pipeline};
use crate::admission::connections::Seat;
use crate::proxy_protocol::{self, Refused};
use crate::tls;
use crate::worker::Worker;
use crate::worker::drain::Open;
use crate::worker::holders::Holder;
use crate::worker::run::Entrance;
use crate::worker::wheel::Timer;

/// How HTTP/2 over cleartext begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the requests of one connection share.
pub struct Client {
    /// Addresses and scheme.
    pub peer: Peer,
    /// Name that TLS was set up for, with what was checked.
    pub tls: Option<tls::Session>,
    /// What the connection holds.
    pub holder: Holder,
    pub(super) clock: Rc<Clock>,
}

impl Client {
    /// Whether the head of the request that begins now stated two framings.
    #[must_use]
    pub fn take_ambiguity(&self) -> bool {
        self.clock.take_ambiguity()
    }

    /// Marks a request as open until the result is dropped.
    #[must_use]
    pub fn begin_request(self: &Rc<Self>) -> Busy {
        self.clock.request_began();
        self.holder.request_began();
        Busy {
            holder: self.holder.clone(),
            clock: Rc::clone(&self.clock),
        }
    }
}

/// An open request.
pub struct Busy {
    holder: Holder,
    clock: Rc<Clock>,
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
        self.clock.request_ended();
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
        Scheme::Http => serve_cleartext(&worker, &open, stream, peer, holder, clock).await,
        Scheme::Https => serve_tls(&worker, &open, stream, peer, holder, clock).await,
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
    let receiving = proxy_protocol::receive(stream, address.ip(), trusted);
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
    mut stream: TcpStream,
    peer: Peer,
    holder: Holder,
    clock: Rc<Clock>,
) {
    let sniffed = within(&clock.timer, open, sniff(&mut stream)).await;
    let Some(Ok((prefix, http2))) = sniffed else {
        return;
    };
    let client = Rc::new(Client {
        peer,
        tls: None,
        holder,
        clock,
    });
    Box::pin(serve_http(worker, open, stream, prefix, client, http2)).await;
}

async fn serve_tls(
    worker: &Rc<Worker>,
    open: &Open,
    stream: TcpStream,
    peer: Peer,
    holder: Holder,
    clock: Rc<Clock>,
) {
    let runtime = worker.runtime();
    let certificates = runtime.map(|runtime| Arc::clone(&runtime.certificates));
    let timer = worker.wheel.timer();
    timer.arm(worker.settings.limits.handshake);
    let handshake = Box::pin(tls::accept(stream, certificates, &worker.turnstile));
    let accepted = match within(&timer, open, handshake).await {
        Some(accepted) => accepted,
        None => Err(unfinished(open)),
    };
    let (stream, session) = match accepted {
        Ok(accepted) => accepted,
        Err(failure) => {
            handshake_failed(worker, peer.peer, &failure);
            return;
        }
    };
    worker.metrics.handshakes.add(1);
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        worker.metrics.resumptions.add(1);
    }
    let http2 = session.http2;
    let client = Rc::new(Client {
        peer,
        tls: Some(session),
        holder,
        clock,
    });
    Box::pin(serve_http(
        worker,
        open,
        stream,
        Bytes::new(),
        client,
        http2,
    ))
    .await;
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
/// has come to idle connections.
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

/// Reads until it is clear whether HTTP/2 is spoken; gives back what was read.
async fn sniff(stream: &mut TcpStream) -> io::Result<(Bytes, bool)> {
    let mut read = bytes::BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let compared = read.len().min(PREFACE.len());
        if read.get(..compared) != PREFACE.get(..compared) {
            return Ok((read.freeze(), false));
        }
        if compared == PREFACE.len() {
            return Ok((read.freeze(), true));
        }
    }
}

async fn serve_http<S>(
    worker: &Rc<Worker>,
    open: &Open,
    stream: S,
    prefix: Bytes,
    client: Rc<Client>,
    http2: bool,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    if http2 {
        return h2::connection::serve(worker, open, stream, prefix, client).await;
    }
    let clock = Rc::clone(&client.clock);
    let io = TokioIo::new(Timed {
        stream,
        prefix,
        clock: Rc::clone(&clock),
    });
    let serving = Rc::clone(worker);
    let service = service_fn(move |request: Request<Incoming>| {
        let (worker, client) = (Rc::clone(&serving), Rc::clone(&client));
        async move {
            let draining = worker.clone();
            let (parts, body) = request.into_parts();
            let body = ClientBody::new(Inbound::Hyper(body), worker.settings.limits.body_bytes);
            let mut response = pipeline::serve(worker, client, parts, body).await;
            if draining.drain.is_on() {
                let close = http::HeaderValue::from_static("close");
                response
                    .headers_mut()
                    .insert(http::header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let limits = &worker.settings.limits;
    let connection = http1::Builder::new()
        .max_headers(limits.header_count)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(64 * 1024))
        .serve_connection(io, service);
    let ended = drive(Box::pin(connection), open, &clock).await;
    if let Err(error) = ended {
        if error.is_parse() {
            worker.metrics.malformed.add(1);
        }
        tracing::debug!(%error, "client connection ended");
    }
}

/// A connection of hyper that can be asked to end.
trait Served: Future<Output = hyper::Result<()>> {
    fn end_gracefully(self: Pin<&mut Self>);
}

impl<I, S, B> Served for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Polls a connection, ends it gracefully on drain or idleness, and hard on any other limit.
async fn drive<C: Served>(
    mut connection: Pin<Box<C>>,
    open: &Open,
    clock: &Clock,
) -> hyper::Result<()> {
    let mut told = false;
    let mut registered = false;
    poll_fn(|cx| {
        if !registered {
            registered = true;
            open.wake_on_drain(cx.waker());
        }
        // Asked to end, hyper closes an idle HTTP/1 connection at once, whatever is on its way.
        let waits = || clock.is_idle() && !open.ends_when_idle();
        if open.is_draining() && !told && !waits() {
            told = true;
            connection.as_mut().end_gracefully();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        while clock.timer.poll_expired(cx) {
            if told || !clock.is_idle() {
                return Poll::Ready(Ok(()));
            }
            told = true;
            connection.as_mut().end_gracefully();
            clock.timer.arm(clock.limits.header);
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}
