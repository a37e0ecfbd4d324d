//! The handshake: the client's hello names the host, the host picks the certificate.

use std::io;
use std::sync::Arc;

use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::store::{Certificates, Offer};

/// What a handshake settled.
#[derive(Debug, Clone)]
pub struct Session {
    /// Name that the client asked for, lower-cased, without the root dot.
    pub server_name: String,
    /// What was offered.
    pub offer: Arc<Offer>,
    /// Whether the client showed a certificate, which was then verified.
    pub authenticated: bool,
    /// Whether HTTP/2 was negotiated.
    pub http2: bool,
}

impl Session {
    /// Whether a request for `host` and `path` may be served on this connection. A host that
    /// checks client certificates is served only on connections that were set up for it.
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
                self.server_name == host && (self.authenticated || mutual.is_skipped(path))
            }
        }
    }
}

/// Shakes hands. The caller bounds the time.
///
/// # Errors
/// The client is gone, speaks no acceptable TLS, or asks for a name without certificate; it has
/// then been sent an alert.
pub async fn accept(
    stream: TcpStream,
    certificates: Option<Arc<Certificates>>,
) -> io::Result<(TlsStream<TcpStream>, Session)> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let hello = start.client_hello();
    let name = hello.server_name().unwrap_or_default();
    let server_name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let offer = certificates
        .filter(|_| !server_name.is_empty())
        .and_then(|certificates| certificates.find(&server_name).cloned());
    let Some(offer) = offer else {
        return refuse(start, &server_name).await;
    };
    let stream = start.into_stream(Arc::clone(&offer.config)).await?;
    let connection = stream.get_ref().1;
    let session = Session {
        server_name,
        authenticated: connection.peer_certificates().is_some(),
        http2: connection.alpn_protocol() == Some(b"h2"),
        offer,
    };
    Ok((stream, session))
}

/// Goes on with a handshake that has nothing to offer, so that the client is told.
async fn refuse(
    start: tokio_rustls::StartHandshake<TcpStream>,
    name: &str,
) -> io::Result<(TlsStream<TcpStream>, Session)> {
    tracing::warn!("failed to find any SSL certificate by SNI: {name}");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Nothing));
    match start.into_stream(Arc::new(config)).await {
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::NotFound.into()),
    }
}

#[derive(Debug)]
struct Nothing;

impl ResolvesServerCert for Nothing {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
