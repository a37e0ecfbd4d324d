//! The state of a connection that its task and the readers of a request's body share.

use std::cell::{RefCell, RefMut};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::answer;
use super::body::Source;
use super::parse::Head;
use crate::error::Reason;
use crate::h1::body::{BadBody, Decoded, Decoder};
use crate::h1::out::Out;
use crate::http::pace::Pace;
use crate::origin::exchange::{self, Piece};
use crate::worker::Worker;
use crate::worker::buffers::Buffers;
use crate::worker::holders::Share;
use crate::worker::wheel::Timer;

/// Room made for one read: of a head, and of a body first and at most.
const HEAD_READ: usize = 4 * 1024;
const BODY_READ: (usize, usize) = (8 * 1024, 64 * 1024);
/// Bytes that are read ahead of the request under way.
const AHEAD: usize = 16 * 1024;
/// Bytes of interim answers that may wait for a client that takes none.
const INTERIM: usize = 64 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The shared part of a connection.
pub(super) struct Shared<S> {
    pub(super) worker: Rc<Worker>,
    inner: RefCell<Inner<S>>,
}

/// What is shared.
pub(super) struct Inner<S> {
    pub(super) io: S,
    /// What came and was not looked at.
    pub(super) input: BytesMut,
    /// What is to be written.
    pub(super) out: Out,
    /// Whether something was written and not flushed.
    pub(super) unflushed: bool,
    /// The body of the request under way.
    pub(super) body: Decoder,
    /// The rule that the body breaks.
    pub(super) fault: Option<&'static str>,
    /// Whether somebody reads the body.
    pub(super) read: bool,
    /// Whether the client waits for 100.
    pub(super) waits: bool,
    /// Whether the client may be sent interim answers.
    interim: bool,
    request: u64,
    pace: Pace,
    timer: Timer,
    read_size: usize,
    buffers: Buffers,
    /// What of the connection's memory is taken by buffers.
    held: Rc<Share>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    pub(super) fn new(worker: Rc<Worker>, io: S, input: BytesMut, held: Rc<Share>) -> Self {
        let inner = Inner {
            io,
            input,
            out: Out::new(BytesMut::new()),
            unflushed: false,
            body: Decoder::done(),
            fault: None,
            read: false,
            waits: false,
            interim: false,
            request: 0,
            pace: Pace::new(0, std::time::Duration::ZERO),
            timer: worker.wheel.timer(),
            read_size: BODY_READ.0,
            buffers: worker.buffers.clone(),
            held,
        };
        Self {
            worker,
            inner: RefCell::new(inner),
        }
    }

    /// The state, for a moment: nothing else may run meanwhile.
    pub(super) fn lock(&self) -> RefMut<'_, Inner<S>> {
        self.inner.borrow_mut()
    }

    /// A request begins; its number.
    pub(super) fn begin(&self, head: &Head) -> u64 {
        let mut inner = self.lock();
        let limits = &self.worker.settings.limits;
        inner.request += 1;
        inner.body = head.body.clone();
        inner.fault = None;
        inner.read = !head.body.is_done();
        inner.waits = head.expects_continue && inner.read;
        inner.interim = head.parts.version == http::Version::HTTP_11;
        inner.pace = Pace::new(limits.body_rate, limits.body_rate_grace);
        inner.request
    }

    /// The final answer begins: nothing may come before it any more.
    pub(super) fn answer_begins(&self) {
        let mut inner = self.lock();
        inner.interim = false;
    }

    /// The request is over: who still holds it reaches nothing.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.request += 1;
        inner.interim = false;
        inner.timer.disarm();
        self.release(&mut inner);
    }

    /// Gives back memory that holds nothing.
    fn release(&self, inner: &mut Inner<S>) {
        inner.release_flat();
        if inner.input.is_empty() {
            self.worker.buffers.give(std::mem::take(&mut inner.input));
        }
        inner.note_held();
    }

    /// Reads what comes next. A connection that waits holds no buffer.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        let buffers = &self.worker.buffers;
        let grows = !buffers.unpark(&mut inner.input, HEAD_READ) && inner.input.len() >= HEAD_READ;
        if grows && inner.held.is_bounded() {
            // Others are served with what this one would take.
            self.worker.admission.memory.count_shed(1);
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let read = inner.poll_read(cx, 1);
        if read.is_pending() {
            buffers.park(&mut inner.input);
        }
        inner.note_held();
        read
    }

    /// Whether the client has closed. What it says ahead is kept, within bounds; while its body is
    /// read, the reader will notice.
    pub(super) fn is_gone(&self, cx: &mut Context<'_>) -> bool {
        loop {
            {
                let inner = self.lock();
                if !inner.body.is_done() || inner.input.len() >= AHEAD {
                    return false;
                }
            }
            match self.poll_next(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return true,
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return false,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Inner<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        self.buffers.prepare(&mut self.input, room);
        let spare = self.input.capacity() - self.input.len();
        let size = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx))?;
        if size == spare && !self.held.is_bounded() {
            self.read_size = (self.read_size * 2).min(BODY_READ.1);
        }
        Poll::Ready(Ok(size))
    }

    /// Queues a piece of the answer.
    pub(super) fn queue(&mut self, piece: Bytes, chunked: bool) {
        if self.out.flat.capacity() == 0 {
            self.out.flat = self.buffers.take();
        }
        self.out.put(piece, chunked);
    }

    /// Gives back what a head was written in, once it is on its way.
    fn release_flat(&mut self) {
        if self.out.flat.is_empty() && self.out.flat.capacity() > 0 {
            self.buffers.give(std::mem::take(&mut self.out.flat));
        }
    }

    /// Tells what the buffers take, for when memory is short.
    fn note_held(&self) {
        self.held.set(self.input.capacity() + self.out.held());
    }

    /// Writes everything that is queued, and flushes it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            self.unflushed = true;
            let written = self.out.poll_write(cx, &mut self.io);
            if written.is_pending() {
                self.release_flat();
                self.note_held();
            }
            ready!(written)?;
        }
        self.release_flat();
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// The next step through the body: a piece, or its end.
    fn decode(&mut self) -> Result<Decoded, Reason> {
        self.body.decode(&mut self.input).map_err(|error| {
            self.fault = Some(error.as_str());
            match error {
                BadBody::TooLarge => Reason::HeadTooLarge,
                _ => Reason::BadRequest,
            }
        })
    }

    fn room(&self) -> usize {
        let wanted = self.body.remaining().unwrap_or(u64::MAX);
        usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .clamp(1, self.read_size)
    }

    /// Takes the next piece off the body, as it came.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, Reason>> {
        loop {
            match self.decode() {
                Ok(Decoded::More) => {}
                done => return Poll::Ready(done),
            }
            match self.poll_read(cx, self.room()) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Reason::ClientGone)),
                Poll::Ready(Ok(size)) => {
                    self.waits = false;
                    self.timer.disarm();
                    self.pace.received(size, Instant::now());
                }
                Poll::Pending => {
                    if self.input.is_empty() {
                        self.buffers.give(std::mem::take(&mut self.input));
                    }
                    self.note_held();
                    ready!(self.poll_late(cx));
                    return Poll::Ready(Err(Reason::ClientTimeout));
                }
            }
        }
    }

    /// Ready when the body comes too slowly.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.pace.left(Instant::now()) else {
            return Poll::Pending;
        };
        if left.is_zero() {
            return Poll::Ready(());
        }
        if !self.timer.is_armed() {
            self.timer.arm(left);
        }
        if self.timer.poll_expired(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Source for Shared<S> {
    fn poll_piece(
        &self,
        request: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, Reason>>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.request != request {
            return Poll::Ready(Some(Err(Reason::ClientGone)));
        }
        if inner.waits && !inner.input.is_empty() {
            // It does not wait after all.
            inner.waits = false;
        } else if inner.waits && inner.interim {
            inner.waits = false;
            inner.out.flat.extend_from_slice(CONTINUE);
            // The task of the connection goes on with what is left, and sees what fails.
            let _ = inner.poll_flush(cx);
        }
        Poll::Ready(match ready!(inner.poll_body(cx)) {
            Ok(Decoded::Data(data)) => Some(Ok(Piece::Data(data))),
            Ok(_) => inner
                .body
                .take_trailers()
                .map(|last| Ok(Piece::Trailers(last))),
            Err(reason) => Some(Err(reason)),
        })
    }

    fn remaining(&self) -> Option<u64> {
        self.lock().body.remaining()
    }

    fn abandon(&self, request: u64) {
        let mut inner = self.lock();
        if inner.request == request {
            inner.read = false;
        }
    }

    fn tell(&self, request: u64, head: &exchange::Head) {
        let mut inner = self.lock();
        if inner.request == request && inner.interim && inner.out.flat.len() < INTERIM {
            answer::put_interim(head.status, &head.headers, &mut inner.out.flat);
        }
    }
}

/// The bare stream, for a tunnel.
pub(super) struct Bare<S>(pub(super) Rc<Shared<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Bare<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().io).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bare<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.lock().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().io).poll_shutdown(cx)
    }
}
