//! One TCP connection of a client: who it is, where it goes, and back and forth until it ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use weir_model::upstream::{ProxyProtocol, Scheme};
use weir_plugin_api::stream::Transport;
use weir_plugin_api::{Relay, Scheme as Spoken, StreamHead};

use super::Limits;
use super::front::Connection;
use super::nodes::{Node, Nodes};
use super::relay::relay;
use super::session::Session;
use crate::admission::connections::Seat;
use crate::error::Reason;
use crate::http::connection;
use crate::origin::stream::Stream;
use crate::proxy_protocol::{self, Refused};
use crate::tls;
use crate::upstream::connect::{self, Destination};
use crate::upstream::runtime::UpstreamRuntime;
use crate::worker::Worker;
use crate::worker::run::Entrance;

/// Serves one connection to its end. When the worker drains it goes on, until the time is over.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, entrance: Entrance, mut seat: Seat) {
    let _open = worker.drain.register();
    // A connection that is already gone has no address; there is nobody to tell.
    let (Ok(client), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
        return;
    };
    let head = StreamHead {
        client,
        local,
        relay: None,
        transport: match entrance.scheme {
            Spoken::Http => Transport::Tcp,
            Spoken::Https => Transport::Tls,
        },
        server_name: None,
    };
    let mut session = Session::begin(&worker, head);
    let ended = Box::pin(run(&mut session, stream, entrance, &mut seat)).await;
    session.end(ended);
}

async fn run(
    session: &mut Session,
    mut stream: TcpStream,
    entrance: Entrance,
    seat: &mut Seat,
) -> Result<(), Reason> {
    let worker = Rc::clone(&session.worker);
    let (timer, limits) = (worker.wheel.timer(), worker.settings.limits);
    if entrance.relayed {
        let introduced = introduce(session, &mut stream);
        let introduced = timer.within(limits.header, introduced).await;
        introduced.unwrap_or(Err(Reason::ClientTimeout))?;
        let client = session.context.head.client.ip();
        seat.claim(client).map_err(|_| Reason::StreamConnections)?;
    }
    if entrance.scheme == Spoken::Http {
        return proxy(session, &mut stream).await;
    }
    let certificates = worker.runtime();
    let certificates = certificates.map(|runtime| Arc::clone(&runtime.certificates));
    let address = session.context.head.client.ip();
    let shaking = tls::accept_stream(stream, address, certificates, &worker.turnstile);
    let shaking = Box::pin(shaking);
    let shaken = timer.within(limits.handshake, shaking).await;
    let late = || tls::Failure::new(tls::FailureKind::Timeout, "it was not complete in time");
    let (mut stream, settled) = match shaken.unwrap_or_else(|| Err(late())) {
        Ok(shaken) => shaken,
        Err(failure) => {
            let client = session.context.head.client;
            connection::handshake_failed(&worker, client, &failure);
            if !failure.server_name.is_empty() {
                session.context.head.server_name = Some(Arc::from(failure.server_name));
            }
            return Err(Reason::TlsRefused);
        }
    };
    worker.metrics.handshakes.add(1);
    session.context.head.server_name = Some(Arc::from(settled.server_name.as_str()));
    if !settled.admits_stream() {
        return Err(Reason::CertificateRefused);
    }
    proxy(session, &mut stream).await
}

/// Reads the PROXY header and notes what it tells.
async fn introduce(session: &mut Session, stream: &mut TcpStream) -> Result<(), Reason> {
    let worker = &session.worker;
    let trusted = worker.settings.relays.as_deref();
    let address = session.context.head.client;
    match proxy_protocol::receive(stream, address.ip(), trusted).await {
        Ok(Some(told)) => {
            let head = &mut session.context.head;
            head.client = told.source;
            head.relay = Some(Relay {
                address,
                destination: told.destination,
            });
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => {
            worker.metrics.proxy_header_failures.add(1);
            tracing::info!(%error, peer = %address, "stream closed: PROXY header refused");
            Err(match error {
                Refused::Lost(_) => Reason::ClientGone,
                Refused::Untrusted | Refused::Malformed(_) => Reason::BadRequest,
            })
        }
    }
}

async fn proxy<C>(session: &mut Session, client: &mut C) -> Result<(), Reason>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let upstream = session.admit(&mut Connection::new(client)).await?;
    let limits = Limits::of(&upstream.config, session.context.head.transport);
    let mut nodes = Nodes::begin(session, &upstream)?;
    let mut node = loop {
        let node = nodes.next(session).await?;
        match connect(session, &upstream, &node, limits).await {
            Ok(stream) => {
                nodes.answered(session, node.number);
                break stream;
            }
            Err(reason) => nodes.failed(session, node.number, reason)?,
        }
    };
    // Its retries are its own business now.
    drop(nodes);
    let front = std::mem::take(&mut session.context.front);
    relay(session, client, &mut node, limits, front).await
}

async fn connect(
    session: &Session,
    upstream: &UpstreamRuntime,
    node: &Node,
    limits: Limits,
) -> Result<Stream, Reason> {
    let (worker, head) = (&session.worker, &session.context.head);
    let transport = &upstream.transport;
    let tls = match upstream.config.scheme {
        Scheme::Tls => {
            let name = head.server_name.as_deref().unwrap_or_default();
            let tls = transport.tls_for(name, &node.picked.host);
            tls.map_err(|_| Reason::TlsHandshake)?
        }
        // The listener decides what is spoken, as in APISIX.
        _ => None,
    };
    let entered = head.relay.map_or(head.local, |relay| relay.destination);
    let told = || {
        let tell = worker.settings.streams.tell_nodes;
        tell.then(|| proxy_protocol::encode(ProxyProtocol::V1, head.client, entered))
    };
    let permit = match upstream.load.places(node.picked.index) {
        None => None,
        // Nobody waits for the end of a stream.
        Some(places) => Some(places.take().ok_or(Reason::PendingOverflow)?),
    };
    let destination = Destination {
        addresses: node.addresses.clone(),
        preface: transport.preface(head.client, entered).or_else(told),
        tls,
        places: None,
    };
    worker.metrics.connects.add(1);
    let began = Instant::now();
    let connecting = Box::pin(connect::connect(
        &destination,
        limits.connect,
        &worker.wheel,
    ));
    let connected = connecting.await?;
    let counted = worker.census.count(&connected.address);
    session.tries.connected(node.number, began.elapsed());
    session.tries.resolved(node.number, connected.address);
    Ok(connected.stream.holding(permit, counted))
}
