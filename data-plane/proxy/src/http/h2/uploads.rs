//! What the open request bodies of one HTTP/2 connection hold of the memory: data that has come and
//! that nobody has taken yet. It waits inside the h2 crate, which tells stream by stream.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use h2::{FlowControl, RecvStream};

use crate::worker::holders::Share;

/// Bytes that come before it is counted anew, for each open body: what is counted is locked.
const WORTH_COUNTING: u64 = 4 * 1024;
/// Bytes that are much for one connection when memory is short.
const MUCH: usize = 64 * 1024;

/// The bodies of one connection.
pub struct Uploads {
    open: RefCell<HashMap<u64, FlowControl>>,
    next: Cell<u64>,
    share: Rc<Share>,
    /// Bytes that had come at the last count.
    counted: Cell<u64>,
}

impl Uploads {
    /// None yet. What they hold is noted in `share`.
    #[must_use]
    pub fn new(share: Rc<Share>) -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            next: Cell::new(0),
            share,
            counted: Cell::new(0),
        })
    }

    /// A body counts until the result is dropped.
    #[must_use]
    pub fn open(self: &Rc<Self>, receive: &mut RecvStream) -> Upload {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let flow = receive.flow_control().clone();
        self.open.borrow_mut().insert(id, flow);
        Upload {
            uploads: Rc::clone(self),
            id,
        }
    }

    /// Takes note that `came` bytes of bodies have come since the connection began. `true` when they
    /// hold much and memory is so short that others are to be served with it.
    #[must_use]
    pub fn note(&self, came: u64) -> bool {
        let open = self.open.borrow().len() as u64;
        let since = came.saturating_sub(self.counted.get());
        if since == 0 || since < open.saturating_mul(WORTH_COUNTING) {
            return false;
        }
        self.counted.set(came);
        self.count() >= MUCH && self.share.is_bounded()
    }

    fn count(&self) -> usize {
        let open = self.open.borrow();
        let held = open.values().map(FlowControl::used_capacity).sum();
        self.share.set(held);
        held
    }
}

/// An open body.
pub struct Upload {
    uploads: Rc<Uploads>,
    id: u64,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.uploads.open.borrow_mut().remove(&self.id);
        self.uploads.count();
    }
}
