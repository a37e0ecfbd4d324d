//! A new connection to a node, within its limit: TCP or Unix socket, PROXY header, TLS.

mod race;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls_pki_types::ServerName;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use weir_plugin_api::NodeAddress;

use crate::error::Reason;
use crate::origin::stream::{Socket, Stream};
use crate::tls::{self, NodeTls};
use crate::upstream::pool::PoolKey;
use crate::upstream::seats::Places;
use crate::worker::listener::MAX_UNSENT;
use crate::worker::wheel::Wheel;

/// Where a connection leads and what is spoken before HTTP.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Addresses of the node, the one to take first; never empty.
    pub addresses: Vec<NodeAddress>,
    /// PROXY header.
    pub preface: Option<Bytes>,
    /// TLS, with the name that the node is asked for.
    pub tls: Option<(Arc<NodeTls>, ServerName<'static>)>,
    /// What bounds the number of connections.
    pub places: Option<Arc<Places>>,
}

impl Destination {
    /// What its connections are kept under, when the address to take first is the one reached.
    #[must_use]
    pub fn key(&self) -> Option<PoolKey> {
        let first = self.addresses.first()?;
        Some(self.key_of(first.clone()))
    }

    /// What a connection to this address is kept under.
    #[must_use]
    pub fn key_of(&self, address: NodeAddress) -> PoolKey {
        let tls = self.tls.as_ref();
        PoolKey {
            address,
            tls: tls.map(|(tls, name)| (tls.fingerprint, Box::from(&*name.to_str()))),
            preface: self.preface.clone(),
            owner: self.places.as_ref().map(|places| Arc::clone(&places.owner)),
        }
    }
}

/// A connection that stands.
pub struct Connected {
    /// The stream.
    pub stream: Stream,
    /// The address that was reached.
    pub address: NodeAddress,
    /// Whether the node chose HTTP/2 in ALPN.
    pub http2: bool,
}

/// Connects. Dropping the future closes what was begun.
///
/// # Errors
/// Why there is no connection; any of them allows another node to be tried.
pub async fn connect(
    destination: &Destination,
    limit: Duration,
    wheel: &Wheel,
) -> Result<Connected, Reason> {
    let timer = wheel.timer();
    let connecting = Box::pin(establish(destination, wheel));
    timer
        .within(limit, connecting)
        .await
        .unwrap_or(Err(Reason::TimeoutConnect))
}

async fn establish(destination: &Destination, wheel: &Wheel) -> Result<Connected, Reason> {
    let (mut socket, address) = race::first(&destination.addresses, wheel).await?;
    if let Some(preface) = &destination.preface {
        let written = socket.write_all(preface).await;
        written.map_err(|error| failed(&address, &error))?;
    }
    let Some((tls, name)) = &destination.tls else {
        return Ok(Connected {
            stream: Stream::clear(socket),
            address,
            http2: false,
        });
    };
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    let shaken = connector.connect(name.clone(), socket).await;
    let stream = shaken.map_err(|error| {
        let name = name.to_str();
        tracing::info!(node = %address, %name, %error, "TLS handshake with a node failed");
        tls::node::reason(&error).unwrap_or(Reason::TlsHandshake)
    })?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Connected {
        stream: Stream::encrypted(stream, !tls.verified),
        address,
        http2,
    })
}

/// One address.
async fn dial(address: NodeAddress) -> Result<(Socket, NodeAddress), Reason> {
    let dialled = match &address {
        NodeAddress::Tcp(to) => TcpStream::connect(to).await.and_then(|stream| {
            // Without it a small request waits for the ACK of the one before.
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT)?;
            Ok(Either::Left(stream))
        }),
        NodeAddress::Unix(path) => UnixStream::connect(&**path).await.map(Either::Right),
    };
    match dialled {
        Ok(socket) => Ok((socket, address)),
        Err(error) => Err(failed(&address, &error)),
    }
}

fn failed(address: &NodeAddress, error: &io::Error) -> Reason {
    tracing::debug!(node = %address, %error, "node cannot be reached");
    match error.kind() {
        // What the path of a socket leads to is gone, or was never there.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::TimeoutConnect,
        _ => Reason::ConnectFailed,
    }
}
