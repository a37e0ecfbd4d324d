//! A stream of HTTP/2 as bytes both ways, once extended CONNECT has opened it (RFC 8441 section 5).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason as Code, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::SEND_BUFFER;
use super::wire::Watch;
use crate::http::response::ResponseBody;
use crate::http::tunnel::{self, Early};
use crate::origin::h1::codec::Upgraded;
use crate::worker::Worker;

/// Passes bytes on between a stream and a node until both directions have ended.
pub(super) async fn run(
    worker: &Worker,
    watch: &Watch,
    upgraded: Upgraded,
    mut body: ResponseBody,
    mut receive: RecvStream,
    send: SendStream<Bytes>,
) {
    let Upgraded {
        mut io,
        input,
        limits,
        timer,
    } = upgraded;
    let early = Early {
        client: BytesMut::new(),
        node: input,
    };
    let limits = tunnel::Limits {
        idle: limits.read,
        node: limits.send,
        client: worker.settings.limits.send,
    };
    let _upload = watch.uploads.open(&mut receive);
    let mut client = Duplex::new(receive, send);
    let buffers = &worker.buffers;
    let moved = |direction, bytes| body.moved(direction, bytes);
    let ended = tunnel::run(&mut client, &mut io, early, limits, &timer, buffers, moved).await;
    if ended.is_some() {
        client.break_off();
    }
    body.tunnel_ended(ended);
}

/// Both directions of a stream. Dropping it resets what has not ended.
struct Duplex {
    receive: RecvStream,
    send: SendStream<Bytes>,
    /// What has come and was not taken.
    front: Bytes,
}

impl Duplex {
    fn new(receive: RecvStream, send: SendStream<Bytes>) -> Self {
        Self {
            receive,
            send,
            front: Bytes::new(),
        }
    }

    /// Tells the client that the other side broke off, as TCP would by a reset.
    fn break_off(&mut self) {
        self.send.send_reset(Code::CONNECT_ERROR);
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.front.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => self.front = data.map_err(io::Error::other)?,
            }
        }
        let size = self.front.len().min(buffer.remaining());
        buffer.put_slice(self.front.get(..size).unwrap_or_default());
        self.front.advance(size);
        // What is taken makes room for as much.
        let released = self.receive.flow_control().release_capacity(size);
        Poll::Ready(released.map_err(io::Error::other))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(bytes.len().min(SEND_BUFFER));
        let mut room = self.send.capacity();
        while room == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(more)) => room = more,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let size = room.min(bytes.len());
        let data = Bytes::copy_from_slice(bytes.get(..size).unwrap_or_default());
        let sent = self.send.send_data(data, false).map(|()| size);
        Poll::Ready(sent.map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's task writes what was handed to it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.send.send_data(Bytes::new(), true);
        Poll::Ready(ended.map_err(io::Error::other))
    }
}
