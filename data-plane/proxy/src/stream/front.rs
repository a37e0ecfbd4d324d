//! What a client has sent before a node is chosen, for plugins that look at it.

use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::Reason;
use crate::worker::Worker;

/// Bytes that are kept at most.
const MOST: usize = 64 * 1024;

/// Where more of it comes from.
pub(super) trait Front {
    /// Reads more behind `known`.
    ///
    /// # Errors
    /// Why nothing more comes.
    async fn more(&mut self, worker: &Worker, known: &mut BytesMut) -> Result<(), Reason>;
}

/// A connection of a client.
pub(super) struct Connection<'c, C> {
    client: &'c mut C,
    /// When it was first asked for something.
    since: Option<Instant>,
}

impl<'c, C> Connection<'c, C> {
    pub(super) fn new(client: &'c mut C) -> Self {
        Self {
            client,
            since: None,
        }
    }
}

impl<C: AsyncRead + Unpin> Front for Connection<'_, C> {
    async fn more(&mut self, worker: &Worker, known: &mut BytesMut) -> Result<(), Reason> {
        if known.len() >= MOST {
            return Err(Reason::BadRequest);
        }
        let timer = worker.wheel.timer();
        let since = self.since.get_or_insert_with(Instant::now).elapsed();
        let left = worker.settings.limits.header.saturating_sub(since);
        match timer.within(left, self.client.read_buf(known)).await {
            None => Err(Reason::ClientTimeout),
            Some(Ok(0) | Err(_)) => Err(Reason::ClientGone),
            Some(Ok(_)) => Ok(()),
        }
    }
}

/// Datagrams are not kept for that.
pub(super) struct Datagrams;

impl Front for Datagrams {
    async fn more(&mut self, _: &Worker, _: &mut BytesMut) -> Result<(), Reason> {
        Err(Reason::BadRequest)
    }
}
