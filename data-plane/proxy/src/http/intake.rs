//! Reading a request's body before it is forwarded, when a variable looks at it (objects.md
//! section 5). What was read is handed out again: first to the node, and to the next one.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use weir_plugin_api::RequestHead;

use super::request::ClientBody;
use crate::error::Reason;
use crate::worker::Worker;
use crate::worker::holders::Share;

/// Bytes of bodies that the workers hold for variables, all together, and how many they may.
#[derive(Debug)]
pub struct Holding {
    limit: usize,
    held: AtomicUsize,
}

impl Holding {
    /// Nothing held; at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            held: AtomicUsize::new(0),
        }
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// A share of the bytes; dropping it gives it back.
struct Held {
    holding: Arc<Holding>,
    bytes: usize,
}

impl Held {
    fn grow(&mut self, by: usize) -> Result<(), Reason> {
        self.bytes += by;
        let before = self.holding.held.fetch_add(by, Ordering::Relaxed);
        if before + by > self.holding.limit {
            return Err(Reason::BodyMemory);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holding.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes with the share that they take, as long as anybody has them.
struct Counted {
    bytes: BytesMut,
    held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a request until it is forwarded.
pub struct Intake {
    body: ClientBody,
    share: Rc<Share>,
    worker: Rc<Worker>,
}

impl Intake {
    /// Takes the body of a request, and tells its head when there is none. What is read counts as
    /// `share` of its connection.
    pub fn new(
        body: ClientBody,
        worker: Rc<Worker>,
        share: Rc<Share>,
        head: &mut RequestHead,
    ) -> Self {
        if body.length() == Some(0) {
            head.body.set(Bytes::new());
        }
        Self {
            body,
            share,
            worker,
        }
    }

    /// The body, to be forwarded: the client's, or what a plugin put in its place.
    #[must_use]
    pub fn into_body(mut self, head: &RequestHead) -> ClientBody {
        if let Some(bytes) = head.body.replacement() {
            self.body.replace(bytes.clone());
        }
        self.body
    }

    /// Holds the body to the limit that a plugin gave, or to the gateway's.
    ///
    /// # Errors
    /// It is larger.
    pub fn limit(&mut self, max_body: Option<u64>) -> Result<(), Reason> {
        if let Some(limit) = max_body {
            self.body.set_limit(Some(limit).filter(|limit| *limit > 0));
        }
        if self.body.is_too_large() {
            return Err(Reason::BodyTooLarge);
        }
        Ok(())
    }

    /// Reads as much of the body as somebody wanted to look at; `false` when nobody did.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn fill(&mut self, head: &mut RequestHead) -> Result<bool, Reason> {
        let Some(limit) = head.body.wanted() else {
            return Ok(false);
        };
        let is_too_large = self.body.length().is_some_and(|size| size > limit as u64);
        if is_too_large && !head.body.wants_front() {
            head.body.set_larger_than(limit, Bytes::new());
            return Ok(true);
        }
        let mut read = Counted {
            bytes: BytesMut::new(),
            held: Held {
                holding: Arc::clone(&self.worker.bodies),
                bytes: 0,
            },
        };
        let length = self.body.length();
        while let Some(piece) = self.piece().await? {
            if self.share.is_bounded() {
                self.worker.admission.memory.count_refused();
                return Err(Reason::MemoryShort);
            }
            read.held.grow(piece.len())?;
            let before = read.bytes.capacity();
            make_room(&mut read.bytes, piece.len(), length);
            self.share
                .grow(read.bytes.capacity().saturating_sub(before));
            read.bytes.extend_from_slice(&piece);
            if read.bytes.len() > limit {
                let front = Bytes::from_owner(read);
                self.body.put_back(front.clone());
                head.body.set_larger_than(limit, front);
                return Ok(true);
            }
        }
        let whole = Bytes::from_owner(read);
        self.body.put_back_whole(whole.clone());
        head.body.set(whole);
        Ok(true)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Reason> {
        let timer = self.worker.wheel.timer();
        timer.arm(self.worker.settings.limits.body);
        poll_fn(|cx| {
            if let Poll::Ready(piece) = self.body.poll_data(cx) {
                return Poll::Ready(piece.transpose());
            }
            if timer.poll_expired(cx) {
                return Poll::Ready(Err(Reason::ClientTimeout));
            }
            Poll::Pending
        })
        .await
    }
}

/// Makes room for `more` bytes of a body that has `length`, if that is known: twice what there is,
/// and no more than the body takes.
fn make_room(bytes: &mut BytesMut, more: usize, length: Option<u64>) {
    let wanted = bytes.len() + more;
    if bytes.capacity() >= wanted {
        return;
    }
    let whole = length.and_then(|length| usize::try_from(length).ok());
    let room = (bytes.capacity() * 2).min(whole.unwrap_or(usize::MAX));
    let mut larger = BytesMut::with_capacity(room.max(wanted));
    larger.extend_from_slice(bytes);
    *bytes = larger;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_in_few_steps_and_no_further_than_the_body() {
        let mut bytes = BytesMut::new();
        let mut steps = 0;
        for _ in 0..100 {
            let before = bytes.capacity();
            make_room(&mut bytes, 1000, Some(100_000));
            steps += usize::from(bytes.capacity() != before);
            bytes.extend_from_slice(&[0; 1000]);
        }
        assert_eq!(bytes.capacity(), 100_000);
        assert!(steps < 12, "{steps}");
        // One that is longer than it said, or says nothing, has room all the same.
        make_room(&mut bytes, 1, Some(100_000));
        assert!(bytes.capacity() > 100_000);
        let mut bytes = BytesMut::new();
        make_room(&mut bytes, 10, None);
        assert!(bytes.capacity() >= 10);
    }

    #[test]
    fn shares_are_given_back_and_bounded() {
        let holding = Arc::new(Holding::new(10));
        let share = || Held {
            holding: Arc::clone(&holding),
            bytes: 0,
        };
        let (mut one, mut two) = (share(), share());
        assert_eq!(one.grow(6), Ok(()));
        assert_eq!(two.grow(4), Ok(()));
        assert_eq!(two.grow(1), Err(Reason::BodyMemory));
        drop(two);
        assert_eq!(holding.held(), 6);
        drop(one);
        assert_eq!(holding.held(), 0);
    }
}
