//! The chains of one ssl object, each with its key and, perhaps, what an OCSP responder says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ocsp::{Status, Subject};

/// The chains; the client's algorithms choose between them, the first one that it can verify is
/// taken.
#[derive(Debug)]
pub(super) struct Chains(pub(super) Vec<Chain>);

impl ResolvesServerCert for Chains {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In TLS 1.2 these are only those of the cipher suites that the client offers.
        let schemes = hello.signature_schemes();
        let certified = self.0.iter().map(|chain| &chain.certified);
        let mut fitting = certified.map(ArcSwap::load_full);
        let first = fitting.next()?;
        if first.key.choose_scheme(schemes).is_some() {
            return Some(first);
        }
        let other = fitting.find(|chain| chain.key.choose_scheme(schemes).is_some());
        Some(other.unwrap_or(first))
    }
}

/// One chain.
#[derive(Debug)]
pub(super) struct Chain {
    certified: ArcSwap<CertifiedKey>,
    /// Whose status is stapled, if it is.
    pub(super) subject: Option<Subject>,
    /// When to ask again, and when the staple ends; in seconds since the epoch.
    due: AtomicU64,
    until: AtomicU64,
}

impl Chain {
    /// Without a staple; a subject is due at once.
    pub(super) fn new(certified: CertifiedKey, subject: Option<Subject>) -> Self {
        Self {
            certified: ArcSwap::from_pointee(certified),
            subject,
            due: AtomicU64::new(0),
            until: AtomicU64::new(0),
        }
    }

    /// When the responder is to be asked.
    pub(super) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    /// When the staple ends; `None` without one.
    pub(super) fn until(&self) -> Option<u64> {
        let until = self.until.load(Ordering::Relaxed);
        (until > 0).then_some(until)
    }

    /// Asks again at `due`, and keeps what there is until then.
    pub(super) fn postpone(&self, due: u64) {
        self.due.store(due, Ordering::Relaxed);
    }

    /// Staples `status`, or nothing.
    pub(super) fn staple(&self, status: Option<Status>) {
        let (until, response) = match status {
            Some(status) => (status.until, Some(status.response)),
            None => (0, None),
        };
        self.certified.rcu(|certified| CertifiedKey {
            ocsp: response.clone(),
            ..CertifiedKey::clone(certified)
        });
        self.until.store(until, Ordering::Relaxed);
    }

    /// Takes over the staple of what was offered before, when it is of the same certificate.
    pub(super) fn inherit(&self, before: &Chain) {
        let old = before.certified.load();
        let is_same = old.cert.first() == self.certified.load().cert.first();
        if let Some((until, response)) = before.until().zip(old.ocsp.clone())
            && is_same
            && self.subject.is_some()
            && self.until().is_none()
        {
            self.staple(Some(Status { response, until }));
            self.postpone(before.due());
        }
    }
}
