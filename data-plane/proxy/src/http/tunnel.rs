//! Bytes both ways between a client and a node, once neither speaks HTTP any more. What one side
//! does not take is not read from the other; the end of one direction is passed on, and the other
//! goes on.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::error::Reason;
use crate::worker::buffers::Buffers;
use crate::worker::wheel::Timer;

/// Room made for one read.
const READ: usize = 8 * 1024;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the node.
    Up,
    /// From the node to the client.
    Down,
}

/// Limits of a tunnel, as nginx has them for an upgraded connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// While nothing comes from either side (`timeout.read` of the upstream).
    pub idle: Duration,
    /// While the node does not take what is written (`timeout.send` of the upstream).
    pub node: Duration,
    /// While the client does not take what is written.
    pub client: Duration,
}

/// What was read before the tunnel began.
#[derive(Debug, Default)]
pub struct Early {
    /// From the client.
    pub client: BytesMut,
    /// From the node.
    pub node: BytesMut,
}

/// Runs until both directions have ended; `None` is a good end. Every byte that was passed on is
/// told to `moved`. Dropping the future loses what is in its buffers.
pub async fn run<C, N>(
    client: &mut C,
    node: &mut N,
    early: Early,
    limits: Limits,
    timer: &Timer,
    buffers: &Buffers,
    mut moved: impl FnMut(Direction, usize),
) -> Option<Reason>
where
    C: AsyncRead + AsyncWrite + Unpin,
    N: AsyncRead + AsyncWrite + Unpin,
{
    let mut up = Flow::new(early.client);
    let mut down = Flow::new(early.node);
    let mut waiting = None;
    let ended = poll_fn(|cx| {
        let mut progress = false;
        let upward = up.poll(cx, client, node, buffers, |bytes| {
            progress = true;
            moved(Direction::Up, bytes);
        });
        let downward = down.poll(cx, node, client, buffers, |bytes| {
            progress = true;
            moved(Direction::Down, bytes);
        });
        match (upward, downward) {
            (Poll::Ready(Err(end)), _) => return Poll::Ready(Some(end.reason(Direction::Up))),
            (_, Poll::Ready(Err(end))) => return Poll::Ready(Some(end.reason(Direction::Down))),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(None),
            _ => {}
        }
        let (limit, reason) = if up.blocked {
            (limits.node, Reason::TimeoutSend)
        } else if down.blocked {
            (limits.client, Reason::ClientGone)
        } else {
            (limits.idle, Reason::TimeoutRead)
        };
        if progress || waiting != Some(reason) {
            waiting = Some(reason);
            timer.arm(limit);
        }
        if timer.poll_expired(cx) {
            return Poll::Ready(Some(reason));
        }
        Poll::Pending
    })
    .await;
    timer.disarm();
    buffers.give(up.buffer);
    buffers.give(down.buffer);
    ended
}

/// Which end of a direction failed.
#[derive(Debug, Clone, Copy)]
enum Broken {
    Reading,
    Writing,
}

impl Broken {
    /// The client's ends are the source of what goes up and the sink of what comes down.
    const fn reason(self, direction: Direction) -> Reason {
        match (self, direction) {
            (Self::Reading, Direction::Up) | (Self::Writing, Direction::Down) => Reason::ClientGone,
            (Self::Writing, Direction::Up) => Reason::SendFailed,
            (Self::Reading, Direction::Down) => Reason::ResponseTruncated,
        }
    }
}

/// One direction.
struct Flow {
    buffer: BytesMut,
    unflushed: bool,
    ended: bool,
    shut: bool,
    /// Whether the sink does not take what there is.
    blocked: bool,
}

impl Flow {
    fn new(buffer: BytesMut) -> Self {
        Self {
            buffer,
            unflushed: false,
            ended: false,
            shut: false,
            blocked: false,
        }
    }

    /// Moves what can be moved. Ready when the source has ended and the sink was told.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        buffers: &Buffers,
        mut moved: impl FnMut(usize),
    ) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let writing = |_: io::Error| Broken::Writing;
        loop {
            self.blocked = true;
            while !self.buffer.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.buffer));
                let written = written.map_err(writing)?;
                if written == 0 {
                    return Poll::Ready(Err(Broken::Writing));
                }
                self.buffer.advance(written);
                self.unflushed = true;
                moved(written);
            }
            if self.unflushed {
                ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(writing)?;
                self.unflushed = false;
            }
            if self.ended {
                if !self.shut {
                    // A peer that is gone meanwhile is told nothing, and nothing is lost.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    self.shut = true;
                }
                self.blocked = false;
                return Poll::Ready(Ok(()));
            }
            self.blocked = false;
            ready!(self.poll_read(cx, from, buffers))?;
        }
    }

    fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        buffers: &Buffers,
    ) -> Poll<Result<(), Broken>> {
        // A quiet tunnel holds no buffer.
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() == 0 {
            buffer = buffers.take();
        }
        buffer.reserve(READ);
        let read = pin!(from.read_buf(&mut buffer)).poll(cx);
        match read {
            Poll::Ready(Ok(size)) => {
                self.ended = size == 0;
                self.buffer = buffer;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Reading)),
            Poll::Pending => {
                buffers.give(buffer);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests;
