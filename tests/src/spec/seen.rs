//! What back ends saw.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tls::Peer;

/// A connection as a node saw it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    /// The PROXY protocol header.
    pub(crate) proxy: Option<String>,
    pub(crate) peer: Peer,
}

/// A request as a node saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) node: String,
    pub(crate) connection: Connection,
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// A field; several of a name are joined by `, `.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found: Vec<&str> = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// A probe of an active health check: by agreement all of them go to paths below `/probe`.
    pub(crate) fn is_probe(&self) -> bool {
        self.uri.starts_with("/probe")
    }
}

/// What all nodes of a case saw, in this order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Seen>>>);

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, seen: Seen) {
        self.lock().push(seen);
    }

    /// Takes everything that was seen so far.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.lock())
    }
}
