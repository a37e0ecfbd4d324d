//! What is to be written to one peer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use super::body;

/// Pieces up to this size are copied behind the head and go out in one write.
const FLATTEN: usize = 4 * 1024;
/// Bytes at which no more are taken from the source.
const FULL: usize = 16 * 1024;

/// What is to be written: flattened bytes, then a large piece, then the end of its chunk.
pub struct Out {
    /// Bytes that go first; more may be added.
    pub flat: BytesMut,
    piece: Bytes,
    tail: &'static [u8],
}

impl Out {
    /// Begins with these bytes.
    #[must_use]
    pub fn new(head: BytesMut) -> Self {
        Self {
            flat: head,
            piece: Bytes::new(),
            tail: &[],
        }
    }

    /// Whether everything has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flat.is_empty() && self.piece.is_empty() && self.tail.is_empty()
    }

    /// Whether more may be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.is_flat() && self.flat.len() < FULL
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn held(&self) -> usize {
        self.flat.capacity() + self.piece.len()
    }

    fn is_flat(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty()
    }

    /// Queues a piece of the body; only while there is room.
    pub fn put(&mut self, piece: Bytes, chunked: bool) {
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

    /// Queues the end of a chunked body, with these trailers; without any it may follow a piece at
    /// once.
    pub fn put_end(&mut self, trailers: Option<&HeaderMap>) {
        if self.is_flat() {
            body::put_last_chunk(trailers, &mut self.flat);
        } else {
            debug_assert!(trailers.is_none());
            self.tail = b"\r\n0\r\n\r\n";
        }
    }

    /// Writes some of it.
    ///
    /// # Errors
    /// The peer takes no more.
    pub fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut S,
    ) -> Poll<io::Result<()>> {
        let io = Pin::new(io);
        let written = if self.is_flat() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes so many bytes with each write.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let size = bytes.len().min(self.0);
            self.1.extend_from_slice(&bytes[..size]);
            Poll::Ready(Ok(size))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
            let size = all.len().min(self.0);
            self.1.extend_from_slice(&all[..size]);
            Poll::Ready(Ok(size))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn order_holds_wherever_a_write_stops() {
        let large = vec![b'x'; FLATTEN + 1];
        let mut whole = None;
        for width in [1, 5, FLATTEN + 6, FLATTEN + 7, FLATTEN + 8, usize::MAX] {
            let mut io = Narrow(width, Vec::new());
            let mut out = Out::new(BytesMut::from("head "));
            let mut cx = Context::from_waker(Waker::noop());
            out.put(Bytes::from(large.clone()), true);
            while !out.has_room() {
                assert!(matches!(
                    out.poll_write(&mut cx, &mut io),
                    Poll::Ready(Ok(()))
                ));
            }
            out.put(Bytes::from(large.clone()), true);
            out.put_end(None);
            while !out.is_empty() {
                assert!(matches!(
                    out.poll_write(&mut cx, &mut io),
                    Poll::Ready(Ok(()))
                ));
            }
            let expected = whole.get_or_insert_with(|| io.1.clone());
            assert!(io.1 == *expected, "{width}");
        }
        assert!(whole.unwrap().ends_with(b"x\r\n0\r\n\r\n"));
    }
}
