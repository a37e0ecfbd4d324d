//! Bytes to plain sockets, over kept connections.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weir_plugin_api::outside::{CallError, SocketKind, SocketTarget};

use crate::address;
use crate::tls::Configs;

/// Where the connection of one target is kept, if there is one.
type Place = Arc<Mutex<Option<Kept>>>;

/// Connections by target: one each, so that what is written stays in order.
pub(crate) struct Sockets {
    tls: Configs,
    known: Mutex<HashMap<Arc<SocketTarget>, Place>>,
}

struct Kept {
    stream: Stream,
    used: Instant,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Udp(UdpSocket),
}

impl Sockets {
    pub(crate) fn new(tls: Configs) -> Self {
        Self {
            tls,
            known: Mutex::default(),
        }
    }

    /// Writes all of `bytes`. A kept connection that turns out closed is replaced once.
    pub(crate) async fn send(
        &self,
        target: &Arc<SocketTarget>,
        bytes: &[u8],
    ) -> Result<(), CallError> {
        let place = {
            let mut known = self.known.lock().await;
            Arc::clone(known.entry(Arc::clone(target)).or_default())
        };
        let mut place = place.lock().await;
        let kept = place.take();
        let usable = kept.filter(|kept| kept.used.elapsed() < target.keepalive);
        if let Some(mut kept) = usable
            && kept.stream.is_open()
            && kept.stream.write(bytes).await.is_ok()
        {
            kept.used = Instant::now();
            *place = Some(kept);
            return Ok(());
        }
        let mut stream = self.connect(target).await?;
        stream
            .write(bytes)
            .await
            .map_err(|error| CallError::Broken {
                address: shown(target),
                cause: error.to_string(),
            })?;
        if !target.keepalive.is_zero() {
            *place = Some(Kept {
                stream,
                used: Instant::now(),
            });
        } else if let Stream::Tcp(mut tcp) = stream {
            // Closing with an orderly end, so that the last bytes are not reset away.
            let _ = tcp.shutdown().await;
        }
        Ok(())
    }

    /// Whether the kept connection has been closed by the other side.
    #[cfg(test)]
    pub(crate) async fn is_stale(&self, target: &SocketTarget) -> bool {
        let place = self.known.lock().await.get(target).cloned();
        let Some(place) = place else { return true };
        let mut place = place.lock().await;
        place.as_mut().is_none_or(|kept| !kept.stream.is_open())
    }

    async fn connect(&self, target: &SocketTarget) -> Result<Stream, CallError> {
        let work = async {
            let host = target.host.trim_start_matches('[').trim_end_matches(']');
            let at = (host, target.port);
            Ok(match target.kind {
                SocketKind::Udp => {
                    let peer = tokio::net::lookup_host(at).await?.next();
                    let peer = peer.ok_or(io::ErrorKind::NotFound)?;
                    let own = if peer.is_ipv4() {
                        "0.0.0.0:0"
                    } else {
                        "[::]:0"
                    };
                    let socket = UdpSocket::bind(own).await?;
                    socket.connect(peer).await?;
                    Stream::Udp(socket)
                }
                SocketKind::Tcp => Stream::Tcp(TcpStream::connect(at).await?),
                SocketKind::Tls { verify } => {
                    let name = target.server_name.as_deref().unwrap_or(host);
                    let name = ServerName::try_from(name.to_owned())
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                    let connector = TlsConnector::from(Arc::clone(self.tls.get(verify)));
                    let tcp = TcpStream::connect(at).await?;
                    Stream::Tls(Box::new(connector.connect(name, tcp).await?))
                }
            })
        };
        let connected: Result<io::Result<Stream>, _> =
            tokio::time::timeout(target.timeout, work).await;
        match connected {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(CallError::Connect {
                address: shown(target),
                cause: error.to_string(),
            }),
            Err(_) => Err(CallError::Timeout {
                address: shown(target),
                limit_ms: u64::try_from(target.timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

impl Stream {
    /// Whether the other side has not closed it. Bytes that it says are read and dropped.
    fn is_open(&mut self) -> bool {
        let Stream::Tcp(tcp) = self else { return true };
        let mut scratch = [0; 512];
        loop {
            match tcp.try_read(&mut scratch) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(tcp) => tcp.write_all(bytes).await,
            Stream::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await?;
                // Lets a close alert surface without waiting for one.
                let mut scratch = [0; 1];
                let heard = std::future::poll_fn(|cx| {
                    let mut read = std::pin::pin!(tls.read(&mut scratch));
                    std::task::Poll::Ready(match read.as_mut().poll(cx) {
                        std::task::Poll::Ready(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
                        std::task::Poll::Ready(Err(error)) => Err(error),
                        _ => Ok(()),
                    })
                });
                heard.await
            }
            Stream::Udp(udp) => udp.send(bytes).await.map(drop),
        }
    }
}

/// The address as shown in errors.
pub(crate) fn shown(target: &SocketTarget) -> String {
    address(&target.host, target.port)
}
