//! A byte stream to a node: TCP or a Unix socket, in clear or encrypted.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::upstream::census::Counted;
use crate::upstream::seats::Permit;

/// The socket below.
pub type Socket = Either<TcpStream, UnixStream>;

/// The stream.
pub struct Stream {
    io: Either<Socket, Box<TlsStream<Socket>>>,
    /// Whether the peer may end TLS by closing the socket.
    lenient: bool,
    /// Its place among the connections, when those are limited.
    permit: Option<Arc<Permit>>,
    /// It is one of those that are counted for metrics.
    counted: Option<Counted>,
}

impl Stream {
    /// In clear.
    #[must_use]
    pub fn clear(socket: Socket) -> Self {
        Self {
            io: Either::Left(socket),
            lenient: false,
            permit: None,
            counted: None,
        }
    }

    /// Encrypted. With `lenient`, the end of the socket is taken for the end of the stream even
    /// when TLS was not ended before; without, that is an error, since anybody in between could
    /// have caused it.
    #[must_use]
    pub fn encrypted(tls: TlsStream<Socket>, lenient: bool) -> Self {
        Self {
            io: Either::Right(Box::new(tls)),
            lenient,
            permit: None,
            counted: None,
        }
    }

    /// Takes a place among the connections, which it frees when it is closed, and is counted until
    /// then.
    #[must_use]
    pub fn holding(mut self, permit: Option<Permit>, counted: Counted) -> Self {
        self.permit = permit.map(Arc::new);
        self.counted = Some(counted);
        self
    }

    /// The place that it holds.
    #[must_use]
    pub fn permit(&self) -> Option<&Arc<Permit>> {
        self.permit.as_ref()
    }

    /// Whether nothing has come and the peer has not closed. What TLS says for itself does not
    /// count. Takes whatever has come.
    #[must_use]
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut cx, &mut buffer).is_pending()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_read(cx, buffer) {
            Poll::Ready(Err(error)) if self.lenient && error.kind() == ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            read => read,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
