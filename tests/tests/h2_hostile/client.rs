//! A client that sends bytes and reads frames, over cleartext and TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::frames::{ACK, Frame, PREFACE, SETTINGS, frame};

/// How long a server may take to say anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Where, and whether over TLS.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Target {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    pub(crate) async fn open(&self) -> io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from("t.test").unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

/// The half that reads.
pub(crate) struct Frames {
    io: ReadHalf<Box<dyn Io>>,
    read: Vec<u8>,
}

impl Frames {
    /// The next frame; `None` when the connection is over.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let read = tokio::time::timeout(PATIENCE, self.next());
        read.await.expect("the server says something in time")
    }

    /// The next frame, however long it takes.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            let mut more = [0; 16 * 1024];
            match self.io.read(&mut more).await {
                Ok(0) | Err(_) => return None,
                Ok(size) => self.read.extend_from_slice(&more[..size]),
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head = self.read.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.read.get(9..9 + length)?.to_vec();
        self.read.drain(..9 + length);
        Some(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }
}

/// The half that writes.
pub(crate) struct Bytes(WriteHalf<Box<dyn Io>>);

impl Bytes {
    /// Sends, as much as the server takes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

pub(crate) struct Raw {
    pub(crate) frames: Frames,
    pub(crate) bytes: Bytes,
}

impl Raw {
    pub(crate) async fn connect(target: &Target) -> Self {
        Self::try_connect(target).await.expect("connected")
    }

    async fn try_connect(target: &Target) -> io::Result<Self> {
        let (read, write) = tokio::io::split(target.open().await?);
        Ok(Self {
            frames: Frames {
                io: read,
                read: Vec::new(),
            },
            bytes: Bytes(write),
        })
    }

    /// A connection over which both sides have introduced themselves.
    pub(crate) async fn introduced(target: &Target) -> Self {
        Self::introduced_with(target, &[]).await
    }

    /// [`Self::introduced`] with settings.
    pub(crate) async fn introduced_with(target: &Target, settings: &[u8]) -> Self {
        let mut raw = Self::connect(target).await;
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        raw.bytes.send(&hello).await.expect("preface is taken");
        let first = raw.frames.frame().await.expect("server introduces itself");
        assert_eq!((first.kind, first.flags), (SETTINGS, 0));
        let acknowledged = raw.bytes.send(&frame(SETTINGS, ACK, 0, [])).await;
        acknowledged.expect("taken");
        raw
    }
}
