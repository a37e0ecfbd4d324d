//! The task of one session: a node, and its answers to the client.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use weir_model::upstream::Scheme;
use weir_plugin_api::stream::Transport;
use weir_plugin_api::{NodeAddress, StreamHead};

use super::link::Link;
use super::{BATCH, Listener, Peer};
use crate::error::Reason;
use crate::stream::Limits;
use crate::stream::front::Datagrams;
use crate::stream::nodes::{Node, Nodes};
use crate::stream::session::Session;
use crate::worker::Worker;
use crate::worker::drain::Open;

/// How long what a refused client sends is thrown away unasked: it costs a line in the log each
/// time, not for each datagram.
const DEAF: Duration = Duration::from_secs(1);

/// How long an answer is awaited once the worker drains: as long as clients of DNS wait for one.
const LAST: Duration = Duration::from_secs(5);

/// A session begins.
pub(super) fn begin(
    worker: &Rc<Worker>,
    client: SocketAddr,
    local: SocketAddr,
) -> (Rc<Link>, Session) {
    let head = StreamHead {
        client,
        local,
        relay: None,
        transport: Transport::Udp,
        server_name: None,
    };
    let session = Session::begin(worker, head);
    let link = Link::new(Rc::clone(&session.traffic), worker.wheel.timer());
    (Rc::new(link), session)
}

/// Serves a session to its end.
pub(super) async fn serve(
    listener: Rc<Listener>,
    peer: Peer,
    link: Rc<Link>,
    mut session: Session,
) {
    let open = listener.worker.drain.register();
    let ended = Box::pin(converse(&listener, peer, &link, &mut session, &open)).await;
    session.end(ended);
    drop(session);
    drop(open);
    if ended.is_err() && !link.is_answered() {
        link.turn_deaf();
        let timer = listener.worker.wheel.timer();
        timer.within(DEAF, std::future::pending::<()>()).await;
    }
    listener.sessions.borrow_mut().remove(&peer);
}

async fn converse(
    listener: &Listener,
    peer: Peer,
    link: &Link,
    session: &mut Session,
    open: &Open,
) -> Result<(), Reason> {
    let upstream = session.admit(&mut Datagrams).await?;
    if upstream.config.scheme == Scheme::Tls || upstream.transport.wants_preface() {
        return Err(Reason::UnsupportedScheme);
    }
    let limits = Limits::of(&upstream.config, Transport::Udp);
    link.limit_to(limits.idle);
    let mut nodes = Nodes::begin(session, &upstream)?;
    loop {
        let node = nodes.next(session).await?;
        let ended = match connect(&node).await {
            Err(reason) => Err(reason),
            Ok(socket) => match upstream.load.places(node.picked.index) {
                None => {
                    pass(
                        listener, peer, link, session, &mut nodes, &node, socket, open,
                    )
                    .await
                }
                Some(places) => match places.take() {
                    None => Err(Reason::PendingOverflow),
                    Some(_permit) => {
                        pass(
                            listener, peer, link, session, &mut nodes, &node, socket, open,
                        )
                        .await
                    }
                },
            },
        };
        link.disconnect();
        match ended {
            Ok(()) => return Ok(()),
            Err(_) if link.is_answered() => return Err(Reason::StreamBroken),
            Err(reason) => nodes.failed(session, node.number, reason)?,
        }
    }
}

async fn connect(node: &Node) -> Result<Rc<UdpSocket>, Reason> {
    let Some(NodeAddress::Tcp(address)) = node.addresses.first() else {
        return Err(Reason::UnsupportedScheme);
    };
    let any: SocketAddr = if address.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let failed = |error: io::Error| {
        tracing::debug!(node = %address, %error, "no socket to a node");
        Reason::ConnectFailed
    };
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    socket.connect(address).await.map_err(failed)?;
    // Until the runtime has looked, nothing can be sent without waiting.
    socket.writable().await.map_err(failed)?;
    Ok(Rc::new(socket))
}

/// Passes datagrams until nothing comes any more, or the node fails.
#[expect(clippy::too_many_arguments, reason = "the parts of one session")]
async fn pass(
    listener: &Listener,
    peer: Peer,
    link: &Link,
    session: &mut Session,
    nodes: &mut Nodes,
    node: &Node,
    socket: Rc<UdpSocket>,
    open: &Open,
) -> Result<(), Reason> {
    listener.worker.metrics.connects.add(1);
    link.connect(&socket);
    // The network's word about what was sent does not make the socket readable.
    let mut told = pin!(socket.ready(Interest::ERROR));
    let mut hurried = false;
    poll_fn(|cx| {
        if link.has_failed() {
            return Poll::Ready(Err(Reason::ConnectRefused));
        }
        while told.as_mut().poll(cx).is_ready() {
            if let Ok(Some(error)) = socket.take_error() {
                return Poll::Ready(Err(reason(&error)));
            }
            // Somebody else has heard it.
            let nothing = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
            let _ = socket.try_io(Interest::ERROR, nothing);
            told.set(socket.ready(Interest::ERROR));
        }
        open.wake_on_drain(cx.waker());
        let mut taken = 0;
        while let Poll::Ready(ready) = socket.poll_recv_ready(cx) {
            let mut scratch = listener.scratch.borrow_mut();
            match ready.and_then(|()| socket.try_recv(&mut scratch)) {
                Ok(size) => {
                    if link.answered() {
                        nodes.answered(session, node.number);
                    }
                    let datagram = scratch.get(..size).unwrap_or_default();
                    if listener.answer(datagram, peer) {
                        session.traffic.datagram_sent(size);
                    } else {
                        session.traffic.datagram_dropped();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(reason(&error))),
            }
            taken += 1;
            if taken >= BATCH {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if open.is_draining() && !std::mem::replace(&mut hurried, true) {
            link.hurry(LAST);
        }
        if link.poll_idle(cx) || (open.is_draining() && !link.is_asked()) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        _ => Reason::ConnectFailed,
    }
}
