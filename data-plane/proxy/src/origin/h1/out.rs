//! What an exchange has to write.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::body;
use crate::origin::stream::Stream;

/// Pieces up to this size are copied behind the head and go out in one write.
const FLATTEN: usize = 4 * 1024;
/// Bytes at which no more are taken from the client.
const FULL: usize = 16 * 1024;

/// What is to be written: flattened bytes, then a large piece, then the end of its chunk.
pub(super) struct Out {
    /// Bytes that go first; more may be added.
    pub(super) flat: BytesMut,
    piece: Bytes,
    tail: &'static [u8],
}

impl Out {
    pub(super) fn new(head: BytesMut) -> Self {
        Self {
            flat: head,
            piece: Bytes::new(),
            tail: &[],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flat.is_empty() && self.piece.is_empty() && self.tail.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.flat.len() < FULL
    }

    /// Queues a piece of the body; only while there is room.
    pub(super) fn put(&mut self, piece: Bytes, chunked: bool) {
        if chunked {
            body::put_chunk_size(piece.len(), &mut self.flat);
        }
        if piece.len() <= FLATTEN {
            self.flat.extend_from_slice(&piece);
            if chunked {
                self.flat.extend_from_slice(b"\r\n");
            }
        } else {
            self.piece = piece;
            self.tail = if chunked { b"\r\n" } else { b"" };
        }
    }

    /// Writes some of it.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Stream,
    ) -> Poll<io::Result<()>> {
        let io = Pin::new(io);
        let written = if self.piece.is_empty() {
            ready!(io.poll_write(cx, &self.flat))?
        } else {
            let parts = [
                IoSlice::new(&self.flat),
                IoSlice::new(&self.piece),
                IoSlice::new(self.tail),
            ];
            ready!(io.poll_write_vectored(cx, &parts))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        for part in [
            &mut self.flat as &mut dyn Buf,
            &mut self.piece,
            &mut self.tail,
        ] {
            let size = written.min(part.remaining());
            part.advance(size);
            written -= size;
        }
    }
}
