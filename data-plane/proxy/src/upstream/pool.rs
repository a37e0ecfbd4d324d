//! Connections of one worker to nodes: idle ones of HTTP/1.1, shared ones of HTTP/2. Nothing is
//! shared between workers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use weir_model::upstream::KeepalivePool;
use weir_plugin_api::NodeAddress;

use super::line::Lines;
use crate::error::Reason;
use crate::origin::h1::codec::Connection;
use crate::origin::h2::{self, Lease};
use crate::tls::node::Fingerprint;

/// Of so many answers on a limited connection, one gives its place to another worker that waits.
const SHARE: u64 = 8;

/// What makes two connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The node.
    pub address: NodeAddress,
    /// How it is encrypted (which certificate is shown, who is trusted), and for which name.
    pub tls: Option<(Fingerprint, Box<str>)>,
    /// The PROXY header that it began with, which names a client.
    pub preface: Option<Bytes>,
    /// The upstream that it is counted for, when its connections have a limit.
    pub owner: Option<Arc<str>>,
}

struct Idle {
    connection: Connection,
    until: Option<Instant>,
}

impl Idle {
    fn is_worth_keeping(&mut self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until) && self.connection.is_quiet()
    }
}

/// A shared connection, with the time for which nobody may use it before it is closed.
struct Shared {
    connection: h2::Connection,
    idle: Duration,
}

impl Shared {
    fn is_worth_keeping(&self, now: Instant) -> bool {
        let lasting = match self.connection.idle_since() {
            Some(since) if !self.idle.is_zero() => now.duration_since(since) < self.idle,
            _ => true,
        };
        lasting && self.connection.is_good()
    }
}

/// The making of a shared connection, which several requests may wait for.
#[derive(Default)]
pub struct Dial {
    outcome: RefCell<Option<Result<NodeAddress, Reason>>>,
    ended: Notify,
}

impl Dial {
    /// Waits for the end: the address that was reached.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn done(&self) -> Result<NodeAddress, Reason> {
        loop {
            let ended = self.ended.notified();
            if let Some(outcome) = self.outcome.borrow().clone() {
                return outcome;
            }
            ended.await;
        }
    }

    /// Tells whoever waits.
    pub fn finish(&self, outcome: Result<NodeAddress, Reason>) {
        *self.outcome.borrow_mut() = Some(outcome);
        self.ended.notify_waiters();
    }
}

/// What is kept under a key. Two searches are part of every request.
type ByKey<T> = HashMap<PoolKey, T, foldhash::fast::RandomState>;

/// The connections.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<ByKey<Vec<Idle>>>,
    shared: RefCell<ByKey<Vec<Shared>>>,
    dialling: RefCell<ByKey<Rc<Dial>>>,
    /// Requests that wait for connections whose number is limited.
    pub lines: Lines,
    /// Whether idle connections are kept whose number is limited.
    limited: Cell<bool>,
}

impl Pool {
    /// The connection used last, if one is still good. What turns out closed, or idled too long, is
    /// dropped.
    pub fn take(&self, key: &PoolKey, now: Instant) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(key)?;
        while let Some(mut kept) = list.pop() {
            if kept.is_worth_keeping(now) {
                return Some(kept.connection);
            }
        }
        None
    }

    /// Keeps a connection for later (`keepalive_pool`; an idle time of zero has no limit), or closes
    /// it when it has served enough or there are enough.
    pub fn give(&self, key: PoolKey, connection: Connection, keepalive: &KeepalivePool) {
        if connection.served() >= u64::from(keepalive.requests) {
            return;
        }
        if let Some(awaited) = connection.awaited() {
            let here = self.lines.length(&key);
            let elsewhere = awaited > here;
            // Whoever waits here goes on with it at once, but not for ever before all others.
            let turn = here == 0 || connection.served().is_multiple_of(SHARE);
            if elsewhere && turn {
                return;
            }
            self.limited.set(true);
            self.lines.call(&key);
        }
        let until = (!keepalive.idle_timeout.is_zero())
            .then(|| Instant::now().checked_add(keepalive.idle_timeout))
            .flatten();
        let mut idle = self.idle.borrow_mut();
        let list = idle.entry(key).or_default();
        if list.len() < usize::try_from(keepalive.size).unwrap_or(usize::MAX) {
            list.push(Idle { connection, until });
        }
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        drop(idle);
    }

    /// A place on a shared connection that has one.
    pub fn lease(&self, key: &PoolKey, requests: u32, now: Instant) -> Option<Lease> {
        let shared = self.shared.borrow();
        let list = shared.get(key)?.iter();
        list.filter(|shared| shared.is_worth_keeping(now))
            .find_map(|shared| {
                if key.owner.is_some() {
                    shared.connection.give_way(self.lines.length(key));
                }
                shared.connection.lease(requests)
            })
    }

    /// Takes a shared connection in, until nobody used it for `idle` (zero has no limit), it ended,
    /// or it takes no more requests.
    pub fn share(&self, key: PoolKey, connection: h2::Connection, idle: Duration) {
        if key.owner.is_some() {
            self.limited.set(true);
            connection.call(self.lines.of(&key));
        }
        let mut shared = self.shared.borrow_mut();
        let list = shared.entry(key).or_default();
        list.retain(|shared| shared.connection.is_good());
        list.push(Shared { connection, idle });
    }

    /// The making of a shared connection that is under way, or a new one (`true`).
    pub fn dial(&self, key: &PoolKey) -> (Rc<Dial>, bool) {
        let mut dialling = self.dialling.borrow_mut();
        if let Some(dial) = dialling.get(key) {
            return (Rc::clone(dial), false);
        }
        let dial = Rc::default();
        dialling.insert(key.clone(), Rc::clone(&dial));
        (dial, true)
    }

    /// The making is over.
    pub fn dialled(&self, key: &PoolKey) {
        self.dialling.borrow_mut().remove(key);
    }

    /// Lets go of limited connections that take no more requests, and closes idle ones whose place
    /// somebody waits for on another worker.
    pub fn make_room(&self) {
        if !self.limited.replace(false) {
            return;
        }
        let mut limited = false;
        for (key, list) in self.idle.borrow_mut().iter_mut() {
            let here = self.lines.length(key);
            list.retain(|kept| {
                let awaited = kept.connection.awaited();
                limited |= awaited.is_some();
                awaited.is_none_or(|awaited| awaited <= here)
            });
        }
        for (key, list) in self.shared.borrow_mut().iter_mut() {
            let here = self.lines.length(key);
            list.retain(|shared| {
                let awaited = shared.connection.awaited();
                limited |= awaited.is_some();
                let stays = awaited.is_none_or(|awaited| awaited <= here);
                let used = shared.connection.idle_since().is_none();
                shared.connection.is_good() && (stays || used)
            });
        }
        self.limited.set(limited);
    }

    /// Closes connections that idled too long or were closed by their node.
    pub fn sweep(&self, now: Instant) {
        self.lines.sweep();
        self.shared.borrow_mut().retain(|_, list| {
            list.retain(|shared| shared.is_worth_keeping(now));
            !list.is_empty()
        });
        self.idle.borrow_mut().retain(|_, list| {
            list.retain_mut(|kept| kept.is_worth_keeping(now));
            !list.is_empty()
        });
    }

    /// Adds the idle connections kept now to those of their nodes.
    pub fn count_idle(&self, nodes: &mut HashMap<NodeAddress, u64>) {
        let mut add = |key: &PoolKey, count: usize| {
            if count > 0 {
                *nodes.entry(key.address.clone()).or_default() += count as u64;
            }
        };
        for (key, list) in self.idle.borrow().iter() {
            add(key, list.len());
        }
        for (key, list) in self.shared.borrow().iter() {
            let unused = |shared: &&Shared| shared.connection.idle_since().is_some();
            add(key, list.iter().filter(unused).count());
        }
    }

    /// Idle connections kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        let own: usize = self.idle.borrow().values().map(Vec::len).sum();
        let shared = self.shared.borrow();
        let unused = shared.values().flatten();
        own + unused
            .filter(|shared| shared.connection.idle_since().is_some())
            .count()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
