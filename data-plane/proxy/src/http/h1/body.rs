//! The body of a request as the pipeline sees it, and the way back to the client.

use std::rc::Rc;
use std::task::{Context, Poll};

use crate::error::Reason;
use crate::origin::exchange::{Head, Piece};

/// A connection, as far as its requests see it. Each request has a number: one that is over
/// reaches nothing of those that follow.
pub(super) trait Source {
    /// The next part of the request's body; `None` after the last.
    fn poll_piece(&self, request: u64, cx: &mut Context<'_>)
    -> Poll<Option<Result<Piece, Reason>>>;

    /// Bytes of the body still to come; `None` when it is chunked.
    fn remaining(&self) -> Option<u64>;

    /// Nobody reads the request's body any more.
    fn abandon(&self, request: u64);

    /// Passes on an interim answer to the request.
    fn tell(&self, request: u64, head: &Head);
}

/// A request on a connection.
#[derive(Clone)]
pub struct Handle {
    source: Rc<dyn Source>,
    request: u64,
}

impl Handle {
    pub(super) fn new(source: Rc<dyn Source>, request: u64) -> Self {
        Self { source, request }
    }

    /// Passes on an interim answer, unless the client cannot take it or the final one has begun.
    pub fn tell(&self, head: &Head) {
        self.source.tell(self.request, head);
    }
}

/// The body of a request.
pub struct Body {
    handle: Handle,
}

impl Body {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Bytes still to come; `None` when the body is chunked.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.handle.source.remaining()
    }

    /// The next part; `None` after the last.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Reason>>> {
        self.handle.source.poll_piece(self.handle.request, cx)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.handle.source.abandon(self.handle.request);
    }
}
