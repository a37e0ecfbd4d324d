//! Read and write buffers that belong to the worker, not to the connections.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::BytesMut;

/// Capacity of a fresh buffer.
pub const CAPACITY: usize = 8 * 1024;
/// Smallest capacity worth keeping.
const WORTH_KEEPING: usize = 4 * 1024;
/// Largest capacity kept, so that one large message does not stay in memory.
const TOO_LARGE: usize = 64 * 1024;
/// Buffers kept at most.
const KEPT: usize = 256;

/// A stack of empty buffers. Cheap to clone; belongs to one thread.
#[derive(Clone, Default)]
pub struct Buffers {
    free: Rc<RefCell<Vec<BytesMut>>>,
}

impl Buffers {
    /// An empty buffer with room.
    #[must_use]
    pub fn take(&self) -> BytesMut {
        let kept = self.free.borrow_mut().pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(CAPACITY))
    }

    /// Lets go of all that are kept.
    pub fn clear(&self) {
        let kept = std::mem::take(&mut *self.free.borrow_mut());
        drop(kept);
    }

    /// Gives a buffer back; its content is forgotten. Memory that is still shared with a message
    /// on its way stays with that message.
    pub fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        let whole = buffer.capacity() >= CAPACITY || buffer.try_reclaim(CAPACITY);
        if !whole && buffer.capacity() < WORTH_KEEPING {
            return;
        }
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT && buffer.capacity() <= TOO_LARGE {
            free.push(buffer);
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
        assert_eq!(buffers.free.borrow().len(), 1);
        assert!(buffers.take().is_empty());
    }

    #[test]
    fn huge_buffers_are_not_kept() {
        let buffers = Buffers::default();
        buffers.give(BytesMut::with_capacity(1024 * 1024));
        assert!(buffers.free.borrow().is_empty());
    }
}
