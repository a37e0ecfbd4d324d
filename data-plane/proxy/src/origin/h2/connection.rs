//! A connection that several exchanges share.

use std::cell::{Cell, OnceCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::origin::stream::Stream;
use crate::upstream::line::Line;
use crate::upstream::seats::Permit;

/// Exchanges at once on one connection; more open another one.
const MAX_STREAMS: u32 = 100;
/// Of so many requests on a counted connection, one gives way to other workers that wait.
const TURN: u64 = 64;
/// Bytes of one body that a node may send before they are passed on.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for a connection: bodies that nobody takes do not hold up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;
/// Bytes of one request body that wait inside the connection.
const SEND_BUFFER: usize = 64 * 1024;
/// Bytes of the fields of one answer.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// A connection, as long as it takes requests.
pub struct Connection {
    sender: SendRequest<Bytes>,
    shared: Rc<Shared>,
}

/// What the exchanges of a connection and its task know of it.
struct Shared {
    open: Cell<u32>,
    served: Cell<u64>,
    /// Whether it has ended.
    over: Cell<bool>,
    /// Whether it takes no further requests.
    retired: Cell<bool>,
    /// Bytes that have come.
    received: Cell<u64>,
    idle_since: Cell<Instant>,
    /// Those who wait for a place on it.
    line: OnceCell<Rc<Line>>,
    /// Its place among the connections, when those are counted.
    permit: Option<Arc<Permit>>,
}

impl Connection {
    /// Begins HTTP/2 on a stream. A task of its own moves the frames until the connection ends,
    /// which it does when the node ends it, or when it was dropped and no exchange is left.
    ///
    /// # Errors
    /// The stream takes nothing.
    pub async fn begin(stream: Stream) -> Result<Self, h2::Error> {
        let shared = Rc::new(Shared {
            open: Cell::new(0),
            served: Cell::new(0),
            over: Cell::new(false),
            retired: Cell::new(false),
            received: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            line: OnceCell::new(),
            permit: stream.permit().cloned(),
        });
        let counted = Counted {
            stream,
            shared: Rc::clone(&shared),
        };
        let (sender, connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(MAX_STREAMS as usize)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEADER_LIST)
            .enable_push(false)
            .handshake(counted)
            .await?;
        let ended = Rc::clone(&shared);
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to a node ended");
            }
            ended.over.set(true);
        });
        Ok(Self { sender, shared })
    }

    /// A place for one exchange, unless the connection takes none now. It serves `requests` in all.
    #[must_use]
    pub fn lease(&self, requests: u32) -> Option<Lease> {
        let shared = &self.shared;
        if shared.served.get() >= u64::from(requests) {
            // Nobody waits for it to fall idle.
            shared.retired.set(true);
        }
        if !self.is_good() {
            return None;
        }
        let room = self.sender.current_max_send_streams();
        let open = shared.open.get();
        if open >= MAX_STREAMS || open as usize >= room {
            return None;
        }
        let fresh = shared.served.get() == 0;
        shared.open.set(open + 1);
        shared.served.set(shared.served.get() + 1);
        Some(Lease {
            sender: self.sender.clone(),
            shared: Rc::clone(shared),
            fresh,
            received: shared.received.get(),
        })
    }

    /// Requests that wait for its place, on all workers; `None` when it holds none.
    #[must_use]
    pub fn awaited(&self) -> Option<u32> {
        self.shared.permit.as_ref().map(|permit| permit.awaited())
    }

    /// Takes no further requests now and then, when more than `here` wait for its place: those on
    /// other workers have no other way to it.
    pub fn give_way(&self, here: u32) {
        let served = self.shared.served.get();
        let turn = served > 0 && served.is_multiple_of(TURN);
        if turn && self.awaited().is_some_and(|awaited| awaited > here) {
            self.shared.retired.set(true);
        }
    }

    /// Calls one of `line` whenever an exchange ends.
    pub fn call(&self, line: Rc<Line>) {
        // Set once, when the connection is made.
        let _ = self.shared.line.set(line);
    }

    /// Whether it may take requests, now or later.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.shared.over.get() && !self.shared.retired.get()
    }

    /// Since when nobody uses it; `None` while somebody does.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        (self.shared.open.get() == 0).then(|| self.shared.idle_since.get())
    }
}

/// A place on a connection. Dropping it frees it.
pub struct Lease {
    pub(super) sender: SendRequest<Bytes>,
    shared: Rc<Shared>,
    /// Whether it is the first exchange of its connection.
    pub(super) fresh: bool,
    received: u64,
}

impl Lease {
    /// Whether nothing has come over the connection since the lease.
    pub(super) fn is_silent(&self) -> bool {
        self.shared.received.get() == self.received
    }

    /// Lets the connection take no further requests.
    pub(super) fn retire(&self) {
        self.shared.retired.set(true);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared
            .open
            .set(self.shared.open.get().saturating_sub(1));
        self.shared.idle_since.set(Instant::now());
        if let Some(line) = self.shared.line.get() {
            line.call();
        }
    }
}

/// Counts what comes.
struct Counted {
    stream: Stream,
    shared: Rc<Shared>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let came = (buffer.filled().len() - before) as u64;
        self.shared.received.set(self.shared.received.get() + came);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
