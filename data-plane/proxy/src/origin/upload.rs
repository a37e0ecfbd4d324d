//! The request body on its way to a node, with a bounded memory of what was already taken so that
//! another node can be asked.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::error::Reason;
use crate::http::request::ClientBody;

/// Bytes of a request body kept for another try; beyond it a request is not repeated.
pub const REPLAY_LIMIT: usize = 64 * 1024;

/// A request body and how it is framed towards the node.
pub struct Upload {
    body: ClientBody,
    /// Bytes still to come when the length is known; `None` means chunked.
    left: Option<u64>,
    total: Option<u64>,
    kept: Vec<Bytes>,
    kept_size: usize,
    replayed: usize,
    forgotten: bool,
    ended: bool,
    received: u64,
}

impl Upload {
    /// The body of one request.
    #[must_use]
    pub fn new(body: ClientBody) -> Self {
        let total = body.length();
        Self {
            ended: total == Some(0),
            body,
            left: total,
            total,
            kept: Vec::new(),
            kept_size: 0,
            replayed: 0,
            forgotten: false,
            received: 0,
        }
    }

    /// Length of the body; `None` when it is not known beforehand.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.total
    }

    /// Whether everything has been handed out.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended && self.replayed == self.kept.len()
    }

    /// Bytes that the client has sent.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the body can be sent once more from its beginning.
    #[must_use]
    pub fn can_rewind(&self) -> bool {
        !self.forgotten
    }

    /// Starts again from the beginning, for another node.
    pub fn rewind(&mut self) {
        debug_assert!(self.can_rewind());
        self.replayed = 0;
    }

    /// The next piece; `None` after the last.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        if let Some(piece) = self.kept.get(self.replayed) {
            self.replayed += 1;
            return Poll::Ready(Some(Ok(piece.clone())));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        match std::task::ready!(self.body.poll_data(cx)) {
            Some(Ok(piece)) => Poll::Ready(Some(self.take(piece))),
            Some(Err(reason)) => Poll::Ready(Some(Err(reason))),
            None => {
                self.ended = true;
                let short = self.left.is_some_and(|left| left > 0);
                Poll::Ready(short.then_some(Err(Reason::BadRequest)))
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, Reason> {
        let size = piece.len() as u64;
        self.received += size;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(size).ok_or(Reason::BadRequest)?;
            self.ended = *left == 0;
        }
        self.keep(&piece);
        Ok(piece)
    }

    fn keep(&mut self, piece: &Bytes) {
        if self.forgotten {
            return;
        }
        if self.kept_size + piece.len() > REPLAY_LIMIT {
            self.forgotten = true;
            self.kept = Vec::new();
            self.replayed = 0;
            return;
        }
        self.kept_size += piece.len();
        self.kept.push(piece.clone());
        self.replayed = self.kept.len();
    }
}
