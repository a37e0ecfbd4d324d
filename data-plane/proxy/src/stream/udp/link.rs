//! What the listener and the task of one session share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;

use crate::stream::session::Traffic;
use crate::worker::wheel::Timer;

/// Datagrams that are kept until the node has answered, so that another one can be asked.
const KEPT: usize = 16;
/// Bytes of them.
const KEPT_BYTES: usize = 128 * 1024;

/// One session, as the listener sees it.
pub(super) struct Link {
    traffic: Rc<Traffic>,
    /// The socket to the node, once there is one.
    node: RefCell<Option<Rc<UdpSocket>>>,
    kept: RefCell<VecDeque<Bytes>>,
    kept_bytes: Cell<usize>,
    /// Whether some node has answered: nothing is kept from then on.
    answered: Cell<bool>,
    /// Whether something came since the last answer.
    asked: Cell<bool>,
    /// Whether sending has failed: the session's task is told.
    failed: Cell<bool>,
    /// Whether what comes is thrown away: the session was refused.
    deaf: Cell<bool>,
    idle: Timer,
    limit: Cell<Duration>,
    waker: RefCell<Option<Waker>>,
}

impl Link {
    pub(super) fn new(traffic: Rc<Traffic>, idle: Timer) -> Self {
        Self {
            traffic,
            node: RefCell::default(),
            kept: RefCell::default(),
            kept_bytes: Cell::new(0),
            answered: Cell::new(false),
            asked: Cell::new(false),
            failed: Cell::new(false),
            deaf: Cell::new(false),
            idle,
            limit: Cell::new(Duration::MAX),
            waker: RefCell::default(),
        }
    }

    /// A datagram of the client: to the node at once, or kept until there is one.
    pub(super) fn offer(&self, datagram: &[u8]) {
        if self.deaf.get() {
            self.traffic.datagram_dropped();
            return;
        }
        self.traffic.datagram_received(datagram.len());
        self.asked.set(true);
        self.touch();
        let kept = !self.answered.get() && self.keep(datagram);
        let node = self.node.borrow();
        let sent = node.as_ref().is_some_and(|node| self.send(node, datagram));
        // What was kept is sent when there is a node, or again when that one failed.
        let pending = kept && (node.is_none() || self.failed.get());
        if !sent && !pending {
            self.traffic.datagram_dropped();
        }
    }

    fn keep(&self, datagram: &[u8]) -> bool {
        let mut kept = self.kept.borrow_mut();
        let bytes = self.kept_bytes.get() + datagram.len();
        let fits = kept.len() < KEPT && bytes <= KEPT_BYTES;
        if fits {
            kept.push_back(Bytes::copy_from_slice(datagram));
            self.kept_bytes.set(bytes);
        }
        fits
    }

    fn send(&self, node: &UdpSocket, datagram: &[u8]) -> bool {
        match node.try_send(datagram) {
            Ok(_) => true,
            Err(error) => {
                // The network's word about an earlier one, such as a port where nobody listens.
                if error.kind() != std::io::ErrorKind::WouldBlock {
                    self.failed.set(true);
                    if let Some(waker) = self.waker.borrow_mut().take() {
                        waker.wake();
                    }
                }
                false
            }
        }
    }

    /// Datagrams go to this node from now on: first those that were kept.
    pub(super) fn connect(&self, node: &Rc<UdpSocket>) {
        self.failed.set(false);
        for datagram in self.kept.borrow().iter() {
            if !self.send(node, datagram) && !self.failed.get() {
                self.traffic.datagram_dropped();
            }
        }
        self.node.replace(Some(Rc::clone(node)));
    }

    /// There is no node any more.
    pub(super) fn disconnect(&self) {
        self.node.replace(None);
    }

    /// The node has answered; says whether it is the first time.
    pub(super) fn answered(&self) -> bool {
        self.asked.set(false);
        self.touch();
        if self.answered.replace(true) {
            return false;
        }
        self.kept.take();
        true
    }

    /// Whether some node has answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// Whether an answer is awaited.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// Whether sending has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Throws away what comes from now on.
    pub(super) fn turn_deaf(&self) {
        self.deaf.set(true);
        for _ in self.kept.take() {
            self.traffic.datagram_dropped();
        }
    }

    /// How long it may be silent.
    pub(super) fn limit_to(&self, limit: Duration) {
        self.limit.set(limit);
        self.touch();
    }

    /// It may be silent no longer than this from now on.
    pub(super) fn hurry(&self, limit: Duration) {
        self.limit_to(self.limit.get().min(limit));
    }

    fn touch(&self) {
        if self.limit.get() < Duration::MAX {
            self.idle.arm(self.limit.get());
        }
    }

    /// Whether it was silent for too long; wakes the task when it is, or when sending failed.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>) -> bool {
        self.waker.replace(Some(cx.waker().clone()));
        self.idle.poll_expired(cx)
    }
}
