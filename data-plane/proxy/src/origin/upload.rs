//! The request body on its way to a node. What was taken from the client is kept, within bounds, so
//! that another node can be asked.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::replay::{Bounds, Lost, Replay};
use crate::error::Reason;
use crate::http::request::ClientBody;
use crate::worker::wheel::Timer;

/// A request body and how it is framed towards the node.
pub struct Upload {
    body: ClientBody,
    /// Bytes still to come when the length is known; `None` means chunked.
    left: Option<u64>,
    total: Option<u64>,
    /// What was taken; `None` when there is nothing to take.
    replay: Option<Box<Replay>>,
    ended: bool,
    received: u64,
    trailers: Option<Box<HeaderMap>>,
}

impl Upload {
    /// The body of one request, kept within `bounds`.
    #[must_use]
    pub fn new(mut body: ClientBody, bounds: Bounds) -> Self {
        let total = body.length();
        // What was read before costs nothing to send again, however long it is.
        let whole = body.take_whole();
        let received = whole.as_ref().map_or(0, |whole| whole.len() as u64);
        Self {
            ended: whole.is_some() || total == Some(0),
            trailers: whole.as_ref().and_then(|_| body.take_trailers()),
            body,
            left: total.map(|total| total.saturating_sub(received)),
            total,
            replay: (total != Some(0)).then(|| Box::new(Replay::new(bounds, whole))),
            received,
        }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        let nothing = Bounds {
            memory: 0,
            size: 0,
            spills: None,
        };
        Self::new(ClientBody::empty(), nothing)
    }

    /// Length of the body; `None` when it is not known beforehand.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.total
    }

    /// Whether everything has been handed out.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended && self.replay.as_ref().is_none_or(|kept| kept.is_replayed())
    }

    /// What follows the last piece, once that was handed out.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Bytes that the client has sent.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the body can be sent once more from its beginning.
    #[must_use]
    pub fn can_rewind(&self) -> bool {
        self.replay.as_ref().is_none_or(|kept| kept.whole().is_ok())
    }

    /// Waits until what was taken is really kept, then says whether the body can be sent once more.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn whole(&mut self) -> Result<(), Lost> {
        let Some(replay) = &mut self.replay else {
            return Ok(());
        };
        replay.settled().await;
        replay.whole()
    }

    /// Starts again from the beginning, for another node.
    pub fn rewind(&mut self) {
        debug_assert!(self.can_rewind());
        if let Some(replay) = &mut self.replay {
            replay.rewind();
        }
    }

    /// Takes the whole body from the client, when its length is known and memory may hold it;
    /// whether it is there then.
    ///
    /// # Errors
    /// The client does not send it.
    pub async fn gather(&mut self, timer: &Timer, limit: Duration) -> Result<bool, Reason> {
        let Some(replay) = &self.replay else {
            return Ok(true);
        };
        if !self.total.is_some_and(|total| replay.fits_in_memory(total)) {
            return Ok(false);
        }
        while !self.is_ended() {
            let piece = timer.within(limit, poll_fn(|cx| self.poll_piece(cx))).await;
            piece.ok_or(Reason::ClientTimeout)?.transpose()?;
        }
        self.rewind();
        Ok(true)
    }

    /// The body once more, after [`Upload::gather`] had it all.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            body: ClientBody::empty(),
            left: self.left,
            total: self.total,
            replay: self.replay.as_ref().map(|replay| Box::new(replay.copy())),
            ended: true,
            received: self.received,
            trailers: self.trailers.clone(),
        }
    }

    /// Keeps nothing from now on: there will be no other try.
    pub fn settle(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.settle();
        }
    }

    /// The next piece; `None` after the last.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        let Some(replay) = &mut self.replay else {
            return Poll::Ready(None);
        };
        if let Some(piece) = ready!(replay.poll_next(cx)) {
            return Poll::Ready(Some(piece));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        ready!(replay.poll_ready(cx));
        match ready!(self.body.poll_data(cx)) {
            Some(Ok(piece)) => Poll::Ready(Some(self.take(piece))),
            Some(Err(reason)) => Poll::Ready(Some(Err(reason))),
            None => {
                self.ended = true;
                self.trailers = self.body.take_trailers();
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
        if let Some(replay) = &mut self.replay {
            replay.keep(&piece, self.total);
        }
        Ok(piece)
    }
}
