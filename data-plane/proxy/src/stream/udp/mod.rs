//! Datagrams of clients: by session, each with a socket of its own to its node.
//!
//! The kernel gives all datagrams of one sender to one worker, so that a session belongs to one. A
//! datagram that cannot be passed on at once is dropped and counted, as on any network; nothing waits.

mod link;
mod session;
mod socket;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;

use tokio::sync::watch;

use crate::error::Reason;
use crate::worker::Worker;
use crate::worker::run::Order;
use link::Link;
use socket::Socket;

/// Bytes that no datagram is longer than.
const LONGEST: usize = 65_536;
/// Datagrams taken in a row before others get their turn.
const BATCH: usize = 64;

/// Who sent a datagram, and to which of our addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Peer {
    client: SocketAddr,
    local: IpAddr,
}

/// One listening socket of one worker, with its sessions.
struct Listener {
    worker: Rc<Worker>,
    socket: Socket,
    sessions: RefCell<HashMap<Peer, Rc<Link>>>,
    /// Where datagrams lie on their way.
    scratch: RefCell<Box<[u8]>>,
}

/// Serves a listening socket until the worker is told to end.
///
/// # Errors
/// The socket cannot be registered with the runtime.
pub fn listen(
    worker: &Rc<Worker>,
    socket: UdpSocket,
    orders: watch::Receiver<Order>,
) -> io::Result<impl Future<Output = ()> + use<>> {
    let listener = Rc::new(Listener {
        worker: Rc::clone(worker),
        socket: Socket::new(socket)?,
        sessions: RefCell::default(),
        scratch: RefCell::new(vec![0; LONGEST].into_boxed_slice()),
    });
    Ok(run(listener, orders))
}

async fn run(listener: Rc<Listener>, mut orders: watch::Receiver<Order>) {
    loop {
        tokio::select! {
            biased;
            _ = orders.wait_for(|order| *order != Order::Run) => break,
            readable = listener.socket.readable() => if let Err(error) = readable {
                tracing::error!(%error, "datagrams cannot be received any more");
                return;
            },
        }
        for _ in 0..BATCH {
            match listener.receive() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An answer that did not reach its client is told here; it is nobody's end.
                Err(error) => tracing::debug!(%error, "receiving a datagram failed"),
            }
        }
        tokio::task::yield_now().await;
    }
    // What the kernel had accepted for us would be lost.
    for _ in 0..BATCH {
        if listener.receive().is_err() {
            break;
        }
    }
}

impl Listener {
    /// Takes what came from one client and passes it on.
    fn receive(self: &Rc<Self>) -> io::Result<()> {
        let mut scratch = self.scratch.borrow_mut();
        let received = self.socket.try_receive(&mut scratch)?;
        let peer = Peer {
            client: received.client,
            local: received.local.ip(),
        };
        let known = self.sessions.borrow().get(&peer).cloned();
        let link = match known {
            Some(link) => link,
            None => match self.open(peer, received.local) {
                Some(link) => link,
                None => return Ok(()),
            },
        };
        for datagram in received.datagrams(&scratch) {
            link.offer(datagram);
        }
        Ok(())
    }

    /// Begins a session; `None` when there are too many.
    fn open(self: &Rc<Self>, peer: Peer, local: SocketAddr) -> Option<Rc<Link>> {
        let worker = &self.worker;
        if self.sessions.borrow().len() >= worker.settings.streams.udp_sessions {
            worker.metrics.failed(Reason::StreamSessions);
            worker.metrics.datagrams_dropped.add(1);
            return None;
        }
        let (link, session) = session::begin(worker, peer.client, local);
        self.sessions.borrow_mut().insert(peer, Rc::clone(&link));
        let serving = session::serve(Rc::clone(self), peer, Rc::clone(&link), session);
        tokio::task::spawn_local(serving);
        Some(link)
    }

    /// Sends a datagram to a client, from the address that it had sent to. One that does not leave
    /// at once is dropped.
    fn answer(&self, datagram: &[u8], peer: Peer) -> bool {
        let sent = self.socket.try_send(datagram, peer.client, peer.local);
        if let Err(error) = &sent {
            tracing::debug!(%error, client = %peer.client, "an answer was dropped");
        }
        sent.is_ok()
    }
}
