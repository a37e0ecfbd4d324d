//! What was taken of a request body, kept so that another node can be sent it: in memory first,
//! then on disk, up to a bound.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::spill::{Spill, Spills};
use crate::error::Reason;

/// A piece of this size is kept as it came.
const LARGE: usize = 4 * 1024;

/// Why a body cannot be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It is larger than what one request may keep.
    Size,
    /// What all requests together may keep is used up.
    Space,
    /// The disk failed or is full.
    Disk,
}

impl Lost {
    /// Name in the access log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Lost::Size => "body_size",
            Lost::Space => "body_space",
            Lost::Disk => "body_disk",
        }
    }
}

/// How much of one body is kept.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Bytes in memory.
    pub memory: usize,
    /// Bytes over all.
    pub size: u64,
    /// Where it goes beyond memory; `None` when it goes nowhere.
    pub spills: Option<Spills>,
}

/// The part of a body that was taken.
#[derive(Debug)]
pub struct Replay {
    bounds: Bounds,
    memory: Vec<Bytes>,
    in_memory: usize,
    spill: Option<Spill>,
    /// Pieces in memory that were handed out since the last rewind.
    replayed: usize,
    lost: Option<Lost>,
    /// Whether nothing needs to be kept any more.
    settled: bool,
}

impl Replay {
    /// Nothing taken yet but what was `read` before: that is in memory already.
    #[must_use]
    pub fn new(bounds: Bounds, read: Option<Bytes>) -> Self {
        Self {
            bounds,
            in_memory: read.as_ref().map_or(0, Bytes::len),
            memory: read.into_iter().collect(),
            spill: None,
            replayed: 0,
            lost: None,
            settled: false,
        }
    }

    /// Whether all that was taken is kept; if not, why not.
    ///
    /// # Errors
    /// Why not.
    pub fn whole(&self) -> Result<(), Lost> {
        self.lost.map_or(Ok(()), Err)
    }

    /// Whether everything kept was handed out since the last rewind.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.replayed == self.memory.len() && self.spill.as_ref().is_none_or(Spill::is_read)
    }

    /// Whether a body of this size stays in memory.
    #[must_use]
    pub fn fits_in_memory(&self, size: u64) -> bool {
        size <= self.bounds.memory as u64
    }

    /// What is in memory, to be handed out elsewhere as well. Nothing may be on disk.
    #[must_use]
    pub fn copy(&self) -> Self {
        debug_assert!(self.spill.is_none());
        Self {
            bounds: self.bounds.clone(),
            memory: self.memory.clone(),
            in_memory: self.in_memory,
            spill: None,
            replayed: 0,
            lost: self.lost,
            settled: self.settled,
        }
    }

    /// Hands everything out once more.
    pub fn rewind(&mut self) {
        self.replayed = 0;
        if let Some(spill) = &mut self.spill {
            spill.rewind();
        }
    }

    /// Forgets everything: there will be no other try.
    pub fn settle(&mut self) {
        self.settled = true;
        self.forget();
    }

    /// The next piece that is kept; `None` when all were handed out.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        if let Some(piece) = self.memory.get(self.replayed) {
            self.replayed += 1;
            return Poll::Ready(Some(Ok(piece.clone())));
        }
        match &mut self.spill {
            Some(spill) if !spill.is_read() => spill.poll_read(cx).map(|piece| {
                Some(piece.map_err(|error| {
                    tracing::warn!(%error, "a request body cannot be read back from disk");
                    Reason::ReplayFailed
                }))
            }),
            _ => Poll::Ready(None),
        }
    }

    /// Ready when another piece can be kept, or need not be.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(spill) = &mut self.spill else {
            return Poll::Ready(());
        };
        spill.poll_ready(cx).map(|fine| {
            if !fine {
                self.lose(Lost::Disk);
            }
        })
    }

    /// Keeps a piece that was handed out, after [`Replay::poll_ready`]. `expected` is the length of
    /// the whole body, when it is known.
    pub fn keep(&mut self, piece: &Bytes, expected: Option<u64>) {
        if self.lost.is_some() || self.settled {
            return;
        }
        let size = self.in_memory + piece.len();
        if self.spill.is_none() && size <= self.bounds.memory {
            self.in_memory = size;
            self.remember(piece);
            self.replayed = self.memory.len();
            return;
        }
        let on_disk = self.spill.as_ref().map_or(0, Spill::size);
        let taken = (size as u64).saturating_add(on_disk);
        if taken.max(expected.unwrap_or(0)) > self.bounds.size {
            return self.lose(Lost::Size);
        }
        let Some(spills) = &self.bounds.spills else {
            return self.lose(Lost::Size);
        };
        let spill = self.spill.get_or_insert_with(|| spills.begin());
        if let Err(lost) = spill.keep(piece.clone()) {
            self.lose(lost);
        }
    }

    /// A piece is a part of a buffer, which lives as long as the piece does: small ones are copied
    /// together, so that what is kept takes no more than it is.
    fn remember(&mut self, piece: &Bytes) {
        if piece.len() >= LARGE {
            return self.memory.push(piece.clone());
        }
        let last = self.memory.pop_if(|last| last.len() < LARGE);
        let joined = match last {
            Some(last) => {
                let mut joined = BytesMut::from(last);
                joined.extend_from_slice(piece);
                joined.freeze()
            }
            None => Bytes::copy_from_slice(piece),
        };
        self.memory.push(joined);
    }

    /// Waits until everything that was taken is really kept.
    pub async fn settled(&mut self) {
        if let Some(spill) = &mut self.spill
            && !spill.settle().await
        {
            self.lose(Lost::Disk);
        }
    }

    fn lose(&mut self, lost: Lost) {
        self.lost = Some(lost);
        self.forget();
    }

    fn forget(&mut self) {
        self.memory = Vec::new();
        self.spill = None;
        self.replayed = 0;
    }
}

#[cfg(test)]
mod tests;
