//! Read and write buffers that belong to the worker, not to the connections.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::BytesMut;

/// Capacity of a fresh buffer.
pub const CAPACITY: usize = 8 * 1024;
/// Smallest capacity worth keeping.
const WORTH_KEEPING: usize = 4 * 1024;
/// Largest capacity kept, so that one large message does not stay in memory.
const TOO_LARGE: usize = 64 * 1024;
/// Buffers kept at most, and what they may take together.
const KEPT: usize = 256;
const KEPT_BYTES: usize = KEPT * CAPACITY;
/// What requests of one worker may read ahead together, more or less.
const READ_AHEAD: usize = 4 << 20;
/// Room that is worth a read: a buffer is used up to there before another one is taken.
const ENOUGH: usize = 4 * 1024;
/// A part of a message up to this size is copied while the rest is waited for, so that it takes no
/// more than it is.
const PARKED: usize = 4 * 1024;

/// A stack of empty buffers. Cheap to clone; belongs to one thread.
#[derive(Clone, Default)]
pub struct Buffers {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    free: RefCell<Free>,
    /// Requests that share what may be read ahead.
    sharing: Cell<usize>,
}

#[derive(Default)]
struct Free {
    buffers: Vec<BytesMut>,
    bytes: usize,
}

impl Buffers {
    /// An empty buffer with room.
    #[must_use]
    pub fn take(&self) -> BytesMut {
        let mut free = self.inner.free.borrow_mut();
        match free.buffers.pop() {
            Some(buffer) => {
                free.bytes = free.bytes.saturating_sub(buffer.capacity());
                buffer
            }
            None => BytesMut::with_capacity(CAPACITY),
        }
    }

    /// Notes how many requests are open.
    pub fn share(&self, requests: u64) {
        let requests = usize::try_from(requests).unwrap_or(usize::MAX);
        self.inner.sharing.set(requests);
    }

    /// Bytes of an answer that are read at once: much while few requests are open, so that large
    /// answers take few steps, and little while many are, since each may have a client that does not
    /// take what was read.
    #[must_use]
    pub fn largest_read(&self) -> usize {
        (READ_AHEAD / self.inner.sharing.get().max(1)).clamp(CAPACITY, TOO_LARGE)
    }

    /// Lets go of all that are kept.
    pub fn clear(&self) {
        let kept = std::mem::take(&mut *self.inner.free.borrow_mut());
        drop(kept.buffers);
    }

    /// Makes a buffer ready for a read of `room` bytes; less will do when it has some left.
    pub fn prepare(&self, buffer: &mut BytesMut, room: usize) {
        if buffer.capacity() == 0 && room <= CAPACITY {
            *buffer = self.take();
        }
        if buffer.capacity() - buffer.len() < room.min(ENOUGH) {
            buffer.reserve(room);
        }
    }

    /// Keeps what is in a buffer while more is waited for, and the buffer itself only if much is in
    /// it.
    pub fn park(&self, buffer: &mut BytesMut) {
        if buffer.len() <= PARKED && buffer.capacity() > buffer.len() {
            let content = BytesMut::from(buffer.as_ref());
            self.give(std::mem::replace(buffer, content));
        }
    }

    /// Makes room for `size` bytes at least behind what is in a buffer; says whether there was room
    /// already.
    pub fn unpark(&self, buffer: &mut BytesMut, size: usize) -> bool {
        if buffer.capacity() - buffer.len() >= size {
            return true;
        }
        let wanted = buffer.len() + size;
        let mut larger = if wanted <= CAPACITY {
            self.take()
        } else {
            BytesMut::new()
        };
        // In few steps: each step has blocks of its own.
        larger.reserve(wanted.next_power_of_two());
        larger.extend_from_slice(buffer);
        self.give(std::mem::replace(buffer, larger));
        false
    }

    /// Gives a buffer back; its content is forgotten. Memory that is still shared with a message
    /// on its way stays with that message.
    pub fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        let whole = buffer.capacity() >= CAPACITY || buffer.try_reclaim(CAPACITY);
        if !whole && buffer.capacity() < WORTH_KEEPING {
            return;
        }
        let mut free = self.inner.free.borrow_mut();
        let bytes = free.bytes + buffer.capacity();
        if free.buffers.len() < KEPT && bytes <= KEPT_BYTES && buffer.capacity() <= TOO_LARGE {
            free.bytes = bytes;
            free.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"x");
        buffers.give(buffer);
        assert_eq!(buffers.inner.free.borrow().buffers.len(), 1);
        assert!(buffers.take().is_empty());
    }

    #[test]
    fn huge_buffers_are_not_kept() {
        let buffers = Buffers::default();
        buffers.give(BytesMut::with_capacity(1024 * 1024));
        assert!(buffers.inner.free.borrow().buffers.is_empty());
    }

    #[test]
    fn with_many_requests_little_is_read_at_once() {
        let buffers = Buffers::default();
        for (requests, expected) in [(0, 64), (64, 64), (128, 32), (512, 8), (100_000, 8)] {
            buffers.share(requests);
            assert_eq!(buffers.largest_read(), expected << 10, "{requests}");
        }
    }

    #[test]
    fn a_read_has_room_and_uses_what_is_left() {
        let buffers = Buffers::default();
        let mut buffer = BytesMut::new();
        buffers.prepare(&mut buffer, 1);
        assert_eq!(buffer.capacity(), CAPACITY);
        buffer.resize(CAPACITY - ENOUGH, b'x');
        buffers.prepare(&mut buffer, TOO_LARGE);
        assert_eq!(buffer.capacity(), CAPACITY);
        buffer.extend_from_slice(b"x");
        buffers.prepare(&mut buffer, CAPACITY);
        assert!(buffer.capacity() - buffer.len() >= CAPACITY);
        let mut large = BytesMut::new();
        buffers.prepare(&mut large, TOO_LARGE);
        assert_eq!(large.capacity(), TOO_LARGE);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let buffers = Buffers::default();
        for _ in 0..KEPT {
            buffers.give(BytesMut::with_capacity(TOO_LARGE));
        }
        assert_eq!(buffers.inner.free.borrow().bytes, KEPT_BYTES);
        for _ in 0..KEPT {
            drop(buffers.take());
        }
        assert_eq!(buffers.inner.free.borrow().bytes, 0);
    }

    #[test]
    fn a_part_that_waits_takes_what_it_is() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"GET / HT");
        buffers.park(&mut buffer);
        assert!(buffer.capacity() < 64);
        assert_eq!(buffers.inner.free.borrow().buffers.len(), 1);
        assert!(!buffers.unpark(&mut buffer, 4096));
        assert!(
            buffers.inner.free.borrow().buffers.is_empty(),
            "the same again"
        );
        buffer.extend_from_slice(b"TP/1.1\r\n");
        assert_eq!(buffer.as_ref(), b"GET / HTTP/1.1\r\n");
        assert!(buffers.unpark(&mut buffer, 4096));
        buffer.resize(PARKED + 1, b'x');
        let capacity = buffer.capacity();
        buffers.park(&mut buffer);
        assert_eq!(buffer.capacity(), capacity);
        buffer.clear();
        buffers.park(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
    }
}
