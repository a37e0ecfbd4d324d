//! What a handshake settled, and which requests it lets in.

use std::cell::Cell;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};

use super::clients::Mutual;
use super::offer::Offer;
use super::store::Certificates;

/// What a handshake settled.
#[derive(Debug)]
pub struct Session {
    /// Name that the connection was set up for, lower-cased, without the root dot: the one that the
    /// client asked for, or the fallback.
    pub server_name: String,
    /// What was offered.
    pub offer: Arc<Offer>,
    /// The chain that the client showed, which was then verified; empty when it showed none.
    shown: Vec<CertificateDer<'static>>,
    /// What came of verifying it by another check than that of the handshake, the latest one.
    again: Cell<Option<([u8; 32], bool)>>,
    /// Whether HTTP/2 was negotiated.
    pub http2: bool,
}

impl Session {
    /// A session for `server_name`.
    pub(super) fn new(
        server_name: String,
        offer: Arc<Offer>,
        shown: Option<&[CertificateDer<'_>]>,
        http2: bool,
    ) -> Self {
        let shown = shown.filter(|_| offer.mutual.is_some()).unwrap_or_default();
        Self {
            shown: shown.iter().map(|one| one.clone().into_owned()).collect(),
            server_name,
            offer,
            again: Cell::new(None),
            http2,
        }
    }

    /// Whether the client showed a certificate that the offer lets in, where it asks for one: a
    /// stream has no path that could excuse it.
    #[must_use]
    pub fn admits_stream(&self) -> bool {
        let mutual = self.offer.mutual.as_ref();
        mutual.is_none_or(|mutual| self.is_let_in(mutual))
    }

    /// Whether a request for `host` and `path` may be served on this connection. A host that
    /// checks client certificates is served only on connections that were set up for it, and only
    /// while its check, as it is now, lets the client in.
    #[must_use]
    pub fn admits(&self, certificates: &Certificates, host: &str, path: &str) -> bool {
        if !certificates.has_mutual() {
            return true;
        }
        let wanted = certificates
            .find(host)
            .and_then(|offer| offer.mutual.as_ref());
        match wanted {
            None => self.offer.mutual.is_none() || self.server_name == host,
            Some(mutual) => {
                self.server_name == host && (mutual.is_skipped(path) || self.is_let_in(mutual))
            }
        }
    }

    /// Whether the client showed a chain that `mutual` lets in.
    fn is_let_in(&self, mutual: &Mutual) -> bool {
        if self.shown.is_empty() {
            return false;
        }
        let handshake = self.offer.mutual.as_ref();
        if handshake.is_some_and(|handshake| handshake.is_like(mutual)) {
            return true;
        }
        match self.again.get() {
            Some((check, let_in)) if check == *mutual.fingerprint() => let_in,
            _ => {
                let let_in = mutual.lets_in(&self.shown, UnixTime::now());
                self.again.set(Some((*mutual.fingerprint(), let_in)));
                let_in
            }
        }
    }
}
