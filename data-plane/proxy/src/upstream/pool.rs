//! Idle connections of one worker, by node. Nothing is shared between workers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use weir_model::upstream::KeepalivePool;
use weir_plugin_api::NodeAddress;

use crate::origin::h1::codec::Connection;
use crate::tls::node::Fingerprint;

/// What makes two connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The node.
    pub address: NodeAddress,
    /// How it is encrypted (which certificate is shown, who is trusted), and for which name.
    pub tls: Option<(Fingerprint, Box<str>)>,
    /// The PROXY header that it began with, which names a client.
    pub preface: Option<Bytes>,
}

struct Idle {
    connection: Connection,
    until: Option<Instant>,
}

/// The idle connections.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<HashMap<PoolKey, Vec<Idle>>>,
}

impl Pool {
    /// The connection used last, if one is still good. What turns out closed is dropped.
    pub fn take(&self, key: &PoolKey) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(key)?;
        while let Some(mut kept) = list.pop() {
            if kept.connection.is_quiet() {
                return Some(kept.connection);
            }
        }
        None
    }

    /// Keeps a connection for later (`keepalive_pool`; an idle time of zero has no limit), or closes it when it has served enough or there are enough.
    pub fn give(&self, key: PoolKey, connection: Connection, keepalive: &KeepalivePool) {
        if connection.served() >= u64::from(keepalive.requests) {
            return;
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

    /// Closes connections that idled too long or were closed by their node.
    pub fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, list| {
            list.retain_mut(|kept| {
                kept.until.is_none_or(|until| now < until) && kept.connection.is_quiet()
            });
            !list.is_empty()
        });
    }

    /// Idle connections kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.idle.borrow().values().map(Vec::len).sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
