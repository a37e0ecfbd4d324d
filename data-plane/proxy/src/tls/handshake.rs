//! The handshake: the client's hello names the host, the host picks the certificate.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::failure::{Failure, FailureKind};
use super::offer::Offer;
use super::session::Session;
use super::store::Certificates;
use super::turnstile::{Turn, Turnstile};

/// Fatal alert `unrecognized_name` (RFC 6066 section 3).
const UNRECOGNIZED_NAME: u8 = 112;
/// Fatal alert `missing_extension` (RFC 8446 section 9.2).
const MISSING_EXTENSION: u8 = 109;
/// Bytes that are read and forgotten, so that the client can read why it was refused: a socket that
/// is closed with something unread takes back what it sent.
const FORGOTTEN: usize = 64 * 1024;

/// Shakes hands with a client from `address`. The caller bounds the time.
///
/// # Errors
/// The client is gone, speaks no acceptable TLS, shows no acceptable certificate, or asks for a name
/// without certificate; unless it is gone, it has been sent an alert.
pub async fn accept(
    stream: TcpStream,
    address: IpAddr,
    certificates: Option<Arc<Certificates>>,
    turnstile: &Turnstile,
) -> Result<(TlsStream<TcpStream>, Session), Failure> {
    let config = |offer: &Offer| Arc::clone(&offer.config);
    shake(stream, address, certificates, turnstile, config).await
}

/// [`accept`] for a stream: what is spoken inside is not ours to agree on.
///
/// # Errors
/// As [`accept`].
pub async fn accept_stream(
    stream: TcpStream,
    address: IpAddr,
    certificates: Option<Arc<Certificates>>,
    turnstile: &Turnstile,
) -> Result<(TlsStream<TcpStream>, Session), Failure> {
    let config = |offer: &Offer| {
        let mut config = ServerConfig::clone(&offer.config);
        config.alpn_protocols.clear();
        Arc::new(config)
    };
    shake(stream, address, certificates, turnstile, config).await
}

async fn shake(
    stream: TcpStream,
    address: IpAddr,
    certificates: Option<Arc<Certificates>>,
    turnstile: &Turnstile,
    config: impl FnOnce(&Offer) -> Arc<ServerConfig>,
) -> Result<(TlsStream<TcpStream>, Session), Failure> {
    // Nothing is read out of turn: a hello is dear, and the key exchange and the signature that answer
    // it are dearer.
    stream.readable().await.map_err(lost)?;
    let turn = turnstile.enter(address).await.ok_or_else(overloaded)?;
    // It is large, and who is silent or waits in line has none.
    Box::pin(begun(
        stream,
        address,
        certificates,
        turnstile,
        turn,
        config,
    ))
    .await
}

/// A handshake whose turn it is.
async fn begun(
    stream: TcpStream,
    address: IpAddr,
    certificates: Option<Arc<Certificates>>,
    turnstile: &Turnstile,
    mut turn: Turn<'_>,
    config: impl FnOnce(&Offer) -> Arc<ServerConfig>,
) -> Result<(TlsStream<TcpStream>, Session), Failure> {
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let start = loop {
        let read = poll_fn(|cx| Poll::Ready(acceptor.poll_unpin(cx))).await;
        if let Poll::Ready(start) = read {
            break start.map_err(lost)?;
        }
        drop(turn);
        woken().await;
        turn = turnstile.enter(address).await.ok_or_else(overloaded)?;
    };
    let (name, offer) = match choose(&start, certificates.as_deref()) {
        Ok(chosen) => chosen,
        Err(failure) => {
            let alert = match failure.kind {
                FailureKind::NoServerName => MISSING_EXTENSION,
                _ => UNRECOGNIZED_NAME,
            };
            drop(turn);
            refuse(start.io, alert).await;
            return Err(failure);
        }
    };
    let mut handshake = start.into_stream(config(&offer)).into_fallible();
    let first = (&mut handshake).now_or_never();
    drop(turn);
    let ended = match first {
        Some(ended) => ended,
        None => handshake.await,
    };
    let stream = ended.map_err(|(error, stream)| {
        forget(&stream);
        Failure::of(&error, &name)
    })?;
    let connection = stream.get_ref().1;
    let http2 = connection.alpn_protocol() == Some(b"h2");
    let session = Session::new(name, offer, connection.peer_certificates(), http2);
    Ok((stream, session))
}

fn lost(error: std::io::Error) -> Failure {
    Failure::of(&error, "")
}

fn overloaded() -> Failure {
    Failure::new(FailureKind::Overloaded, "too many handshakes wait")
}

/// Waits until the task is woken, by whatever it waits for.
async fn woken() {
    let mut waited = false;
    poll_fn(|_| {
        if std::mem::replace(&mut waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// The name that the connection is for, and what is offered for it.
fn choose(
    start: &StartHandshake<TcpStream>,
    certificates: Option<&Certificates>,
) -> Result<(String, Arc<Offer>), Failure> {
    let hello = start.client_hello();
    let name = match hello.server_name() {
        Some(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        None => match certificates.and_then(Certificates::fallback) {
            Some(name) => name.to_owned(),
            None => {
                let detail = "the client named no host (SNI), and no fallback_sni is set";
                return Err(Failure::new(FailureKind::NoServerName, detail));
            }
        },
    };
    match certificates.and_then(|certificates| certificates.find(&name)) {
        Some(offer) => Ok((name, Arc::clone(offer))),
        None => Err(Failure {
            kind: FailureKind::UnknownServerName,
            detail: format!("failed to find any SSL certificate by SNI: {name}"),
            server_name: name,
        }),
    }
}

/// Tells the client why there will be no handshake. Nothing is encrypted yet.
async fn refuse(mut stream: TcpStream, alert: u8) {
    let record = [21, 3, 3, 0, 2, 2, alert];
    // A client that is gone need not be told.
    if stream.write_all(&record).await.is_ok() {
        let _ = stream.shutdown().await;
        forget(&stream);
    }
}

/// Takes what the client sent meanwhile.
fn forget(stream: &TcpStream) {
    let mut buffer = [0; 4096];
    let mut taken = 0;
    while taken < FORGOTTEN {
        match stream.try_read(&mut buffer) {
            Ok(read) if read > 0 => taken += read,
            _ => return,
        }
    }
}
