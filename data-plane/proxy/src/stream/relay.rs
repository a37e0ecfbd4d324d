//! Bytes back and forth between a client and a node, until both have ended.
//!
//! Each way has one buffer of the worker, which it has only while there is something in it: a silent
//! stream holds no memory for content. A side that does not read holds up the other: nothing is
//! read that was not passed on.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::Limits;
use super::session::Session;
use crate::error::Reason;
use crate::origin::stream::Stream;
use crate::worker::buffers::{Buffers, CAPACITY};
use crate::worker::wheel::Timer;

/// Where a way stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The source has ended; the sink is to be told.
    Ending,
    Ended,
}

/// How a way broke.
enum Broken {
    /// The source cannot be read.
    Source,
    /// The sink takes nothing more.
    Sink,
    /// The sink has not taken anything for too long.
    Stalled,
}

/// One direction.
struct Way {
    state: State,
    buffer: Option<BytesMut>,
    /// Whether something was written and not flushed.
    unflushed: bool,
    /// Whether the source may end TLS by closing the socket.
    lenient: bool,
    stalled: Timer,
}

impl Way {
    fn new(lenient: bool, stalled: Timer, front: Option<BytesMut>) -> Self {
        Self {
            state: State::Open,
            buffer: front,
            unflushed: false,
            lenient,
            stalled,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
        buffers: &Buffers,
        limits: Limits,
        mut passed: impl FnMut(usize),
    ) -> Poll<Result<(), Broken>> {
        loop {
            if let Some(buffer) = self.buffer.as_mut().filter(|buffer| buffer.has_remaining()) {
                match Pin::new(&mut *sink).poll_write(cx, buffer) {
                    Poll::Ready(Ok(0) | Err(_)) => return self.broken(Broken::Sink),
                    Poll::Ready(Ok(count)) => {
                        buffer.advance(count);
                        passed(count);
                        self.stalled.disarm();
                        self.unflushed = true;
                    }
                    Poll::Pending => return self.wait(cx, limits),
                }
                continue;
            }
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ending => {
                    let told = Pin::new(&mut *sink).poll_shutdown(cx);
                    if told.is_pending() {
                        return self.wait(cx, limits);
                    }
                    // A sink that is gone already need not be told.
                    self.state = State::Ended;
                    self.give_back(buffers);
                }
                State::Open => match self.read(cx, source, buffers) {
                    Poll::Ready(Ok(0)) => self.state = State::Ending,
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return self.broken(Broken::Source),
                    Poll::Pending => {
                        self.give_back(buffers);
                        if self.unflushed {
                            match Pin::new(&mut *sink).poll_flush(cx) {
                                Poll::Ready(Ok(())) => self.unflushed = false,
                                Poll::Ready(Err(_)) => return self.broken(Broken::Sink),
                                Poll::Pending => return self.wait(cx, limits),
                            }
                        }
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn read(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut (impl AsyncRead + Unpin),
        buffers: &Buffers,
    ) -> Poll<io::Result<usize>> {
        let buffer = self.buffer.get_or_insert_with(|| buffers.take());
        buffer.clear();
        if !buffer.try_reclaim(CAPACITY) {
            buffer.reserve(CAPACITY);
        }
        Poll::Ready(match ready!(poll_read_buf(Pin::new(source), cx, buffer)) {
            Err(error) if self.lenient && error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        })
    }

    /// The sink is waited for, within its limit.
    fn wait(&mut self, cx: &mut Context<'_>, limits: Limits) -> Poll<Result<(), Broken>> {
        if !self.stalled.is_armed() {
            self.stalled.arm(limits.send);
        }
        if self.stalled.poll_expired(cx) {
            return self.broken(Broken::Stalled);
        }
        Poll::Pending
    }

    fn broken(&mut self, how: Broken) -> Poll<Result<(), Broken>> {
        self.state = State::Ended;
        self.buffer = None;
        Poll::Ready(Err(how))
    }

    fn give_back(&mut self, buffers: &Buffers) {
        if let Some(buffer) = self.buffer.take() {
            buffers.give(buffer);
        }
    }
}

/// Passes bytes on, `front` of the client's first, until both sides have ended, one of them fails, or a limit is over. A side that
/// has ended may still be sent to.
pub(super) async fn relay<C>(
    session: &Session,
    client: &mut C,
    node: &mut Stream,
    limits: Limits,
    front: BytesMut,
) -> Result<(), Reason>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let (worker, traffic) = (&session.worker, &session.traffic);
    let (wheel, buffers) = (&worker.wheel, &worker.buffers);
    // Many clients end TLS by closing the socket; a node that is trusted to do so says it itself.
    let mut up = Way::new(
        true,
        wheel.timer(),
        Some(front).filter(|front| !front.is_empty()),
    );
    let mut down = Way::new(false, wheel.timer(), None);
    let idle = wheel.timer();
    idle.arm(limits.idle);
    let mut failed = None;
    poll_fn(|cx| {
        let mut moved = false;
        let sent = up.poll(cx, client, node, buffers, limits, |count| {
            moved = true;
            traffic.received(count);
        });
        let reason = match &sent {
            Poll::Ready(Err(Broken::Source)) => return Poll::Ready(Err(Reason::ClientGone)),
            Poll::Ready(Err(Broken::Stalled)) => return Poll::Ready(Err(Reason::TimeoutSend)),
            // What the node says about it is still passed on.
            Poll::Ready(Err(Broken::Sink)) => Some(Reason::SendFailed),
            _ => None,
        };
        failed = failed.or(reason);
        let answered = down.poll(cx, node, client, buffers, limits, |count| {
            moved = true;
            traffic.sent(count);
        });
        match &answered {
            Poll::Ready(Err(Broken::Source)) => {
                return Poll::Ready(Err(failed.unwrap_or(Reason::StreamBroken)));
            }
            Poll::Ready(Err(Broken::Sink)) => return Poll::Ready(Err(Reason::ClientGone)),
            Poll::Ready(Err(Broken::Stalled)) => return Poll::Ready(Err(Reason::StreamStalled)),
            _ => {}
        }
        if sent.is_ready() && answered.is_ready() {
            return Poll::Ready(failed.map_or(Ok(()), Err));
        }
        if moved {
            idle.arm(limits.idle);
        }
        if idle.poll_expired(cx) {
            return Poll::Ready(Err(Reason::StreamIdle));
        }
        Poll::Pending
    })
    .await
}
