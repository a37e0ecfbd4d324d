//! The bytes of an HTTP/2 connection on their way between the client and the h2 crate, seen by the
//! [`Guard`].

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::guard::{Budget, Guard};
use super::uploads::Uploads;
use crate::worker::wheel::Timer;

/// Bytes that are read and thrown away from a client that was told to go. Whoever closes with bytes
/// unread resets the connection, and the client may not see why.
const DISCARDED: usize = 1 << 20;
/// Bytes that are thrown away at a time.
const SCRATCH: usize = 8 * 1024;

/// What the two ends of the wire and the requests on it share.
pub struct Watch {
    /// Open request bodies.
    pub uploads: Rc<Uploads>,
    guard: RefCell<Guard>,
    began: Instant,
    /// Runs while the client owes the rest of a header block.
    timer: Timer,
    limit: Duration,
    running: Cell<Option<u64>>,
}

impl Watch {
    /// Watches a connection that begins now. What the client owes is owed for `limit`.
    #[must_use]
    pub fn new(guard: Guard, uploads: Rc<Uploads>, timer: Timer, limit: Duration) -> Self {
        Self {
            uploads,
            guard: RefCell::new(guard),
            began: Instant::now(),
            timer,
            limit,
            running: Cell::new(None),
        }
    }

    /// The budget that the client has used up, if one is.
    #[must_use]
    pub fn over(&self) -> Option<Budget> {
        self.guard.borrow().over()
    }

    /// Whether the client was told that it is at fault.
    #[must_use]
    pub fn is_accusing(&self) -> bool {
        self.guard.borrow().is_accusing()
    }

    /// Whether the client has owed the rest of a header block for too long; if not, wakes the task
    /// when it has.
    pub fn poll_late(&self, cx: &mut Context<'_>) -> bool {
        self.timer.poll_expired(cx)
    }

    /// Counts what bodies hold, when enough has come; whether that is more than there is memory for.
    /// Not to be called while the h2 crate runs.
    pub fn hold_too_much(&self) -> bool {
        let came = self.guard.borrow().data_received();
        self.uploads.note(came)
    }

    /// The client's window let only a few bytes of more out.
    pub fn tiny_window(&self) {
        self.guard.borrow_mut().tiny_window();
    }

    fn received(&self, bytes: &[u8]) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut guard = self.guard.borrow_mut();
        guard.received(bytes, now);
        let waiting = guard.waiting_since();
        if self.running.replace(waiting) != waiting {
            match waiting {
                Some(_) => self.timer.arm(self.limit),
                None => self.timer.disarm(),
            }
        }
    }

    fn sent(&self, bytes: &[u8]) {
        self.guard.borrow_mut().sent(bytes);
    }
}

/// A stream whose bytes are watched. Nothing that comes after a budget is used up is passed on.
pub struct Wire<S> {
    stream: S,
    watch: Rc<Watch>,
    discarded: usize,
}

impl<S> Wire<S> {
    /// Puts a watch on a stream.
    pub fn new(stream: S, watch: Rc<Watch>) -> Self {
        Self {
            stream,
            watch,
            discarded: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Reads and throws away until the client closes, or has sent too much.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; SCRATCH];
        while self.discarded < DISCARDED {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let came = buffer.filled().len();
            if read.is_err() || came == 0 {
                break;
            }
            self.discarded += came;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.over().is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            let came = buffer.filled().get(before..).unwrap_or_default();
            self.watch.received(came);
            if self.watch.over().is_none() {
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
        }
        // The end of the stream, when the client is not worth waiting for any longer.
        self.poll_discard(cx).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    fn note(&self, written: usize, parts: &[IoSlice<'_>]) {
        let mut left = written;
        for part in parts {
            let taken = left.min(part.len());
            self.watch.sent(part.get(..taken).unwrap_or_default());
            left -= taken;
            if left == 0 {
                break;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.watch.sent(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, parts))?;
        self.note(written, parts);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Lets a client that is told to go read it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if self.watch.is_accusing() {
            ready!(self.poll_discard(cx));
        }
        Poll::Ready(Ok(()))
    }
}
