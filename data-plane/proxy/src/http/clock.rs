//! Time limits of a client connection, and the stream that tells what moves on it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::Limits;
use crate::worker::wheel::Timer;

/// Which limit of a connection is running.
///
/// - header: from the accept, or from the first byte after idleness, to the end of a request head;
/// - idle: from the end of one request to the first byte of the next;
/// - send: while the client does not take what we write.
pub struct Clock {
    /// The running limit.
    pub timer: Timer,
    /// All limits.
    pub limits: Limits,
    open_requests: Cell<u32>,
    reading_head: Cell<bool>,
    blocked: Cell<bool>,
}

impl Clock {
    /// Starts with the header limit.
    #[must_use]
    pub fn new(timer: Timer, limits: Limits) -> Self {
        timer.arm(limits.header);
        Self {
            timer,
            limits,
            open_requests: Cell::new(0),
            reading_head: Cell::new(true),
            blocked: Cell::new(false),
        }
    }

    /// Whether neither a request nor a part of one is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open_requests.get() == 0 && !self.reading_head.get() && !self.blocked.get()
    }

    /// A request head is complete.
    pub fn request_began(&self) {
        self.open_requests.set(self.open_requests.get() + 1);
        self.reading_head.set(false);
        if !self.blocked.get() {
            self.timer.disarm();
        }
    }

    /// An answer has been handed over whole.
    pub fn request_ended(&self) {
        let open = self.open_requests.get().saturating_sub(1);
        self.open_requests.set(open);
        if open == 0 && !self.blocked.get() {
            self.timer.arm(self.limits.idle);
        }
    }

    fn write_blocked(&self) {
        if !self.blocked.replace(true) {
            self.timer.arm(self.limits.send);
        }
    }

    fn write_moved(&self) {
        if self.blocked.replace(false) {
            if self.open_requests.get() > 0 {
                self.timer.disarm();
            } else {
                self.timer.arm(self.limits.idle);
            }
        }
    }
}

/// A stream that gives back what was read to tell the protocol, and tells the clock what moves.
pub struct Timed<S> {
    /// The stream.
    pub stream: S,
    /// Bytes that were read to tell the protocol.
    pub prefix: Bytes,
    /// Limits.
    pub clock: Rc<Clock>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.has_remaining() {
            let size = self.prefix.len().min(buffer.remaining());
            buffer.put_slice(&self.prefix.split_to(size));
            Poll::Ready(Ok(()))
        } else {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        }
    }
}

impl<S: AsyncWrite + Unpin> Timed<S> {
    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.clock.write_blocked();
        } else {
            self.clock.write_moved();
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(ended)
    }
}
