//! A line in which addresses take turns: each has a line of its own, and one of each goes before the
//! second of any.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::task::Waker;

use foldhash::fast::RandomState;

use crate::admission::addresses::Key;

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    /// How many may wait.
    most: usize,
    waiting: usize,
    /// Whether somebody has the turn.
    taken: bool,
    of: HashMap<Key, VecDeque<Rc<Waiter>>, RandomState>,
    /// Addresses in the order of their turns.
    ring: VecDeque<Key>,
}

/// How it goes with one that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    /// It has the turn.
    Granted,
    /// There is no room for it any more.
    Refused,
}

#[derive(Debug)]
struct Waiter {
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
}

impl Waiter {
    fn become_(&self, state: State) -> Option<Waker> {
        self.state.set(state);
        self.waker.borrow_mut().take()
    }
}

/// A place in the line; to be given back with [`Line::leave`].
#[derive(Debug)]
pub(super) struct Place {
    key: Key,
    waiter: Rc<Waiter>,
}

impl Place {
    pub(super) fn state(&self) -> State {
        self.waiter.state.get()
    }

    /// Whom to wake when that changes.
    pub(super) fn wake_by(&self, waker: &Waker) {
        let mut known = self.waiter.waker.borrow_mut();
        match known.as_mut() {
            Some(known) => known.clone_from(waker),
            None => *known = Some(waker.clone()),
        }
    }
}

impl Line {
    /// Nobody waits; `most` may.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: 0,
            taken: false,
            of: HashMap::default(),
            ring: VecDeque::new(),
        }
    }

    /// Whether another one of this address finds no room.
    pub(super) fn is_full_for(&self, key: Key) -> bool {
        self.waiting >= self.most
            && self
                .longest()
                .is_none_or(|(_, most)| self.len(key) + 1 >= most)
    }

    /// Takes a place, the last one of its address: with the turn, if nobody has it. Where all are
    /// taken, whoever came last of the address with most loses his; `None` when that is this one.
    pub(super) fn enter(&mut self, key: Key) -> Option<Place> {
        if self.is_full_for(key) {
            return None;
        }
        let waiter = Rc::new(Waiter {
            state: Cell::new(State::Waiting),
            waker: RefCell::default(),
        });
        if self.taken {
            if self.waiting >= self.most {
                self.make_room();
            }
            let own = self.of.entry(key).or_default();
            if own.is_empty() {
                self.ring.push_back(key);
            }
            own.push_back(Rc::clone(&waiter));
            self.waiting += 1;
        } else {
            self.taken = true;
            waiter.state.set(State::Granted);
        }
        Some(Place { key, waiter })
    }

    /// Gives a place back, and the turn on, if it had that; whom to wake.
    pub(super) fn leave(&mut self, place: &Place) -> Option<Waker> {
        match place.state() {
            State::Refused => None,
            State::Waiting => {
                if let Some(own) = self.of.get_mut(&place.key) {
                    own.retain(|waiter| !Rc::ptr_eq(waiter, &place.waiter));
                    self.waiting = self.waiting.saturating_sub(1);
                    self.forget_if_empty(place.key);
                }
                None
            }
            State::Granted => self.next(),
        }
    }

    /// Gives the turn to the next; whom to wake.
    fn next(&mut self) -> Option<Waker> {
        while let Some(key) = self.ring.pop_front() {
            let Some(own) = self.of.get_mut(&key) else {
                continue;
            };
            let next = own.pop_front();
            if own.is_empty() {
                self.of.remove(&key);
            } else {
                self.ring.push_back(key);
            }
            if let Some(next) = next {
                self.waiting = self.waiting.saturating_sub(1);
                return next.become_(State::Granted);
            }
        }
        self.taken = false;
        None
    }

    fn len(&self, key: Key) -> usize {
        self.of.get(&key).map_or(0, VecDeque::len)
    }

    fn longest(&self) -> Option<(Key, usize)> {
        let all = self.of.iter().map(|(key, own)| (*key, own.len()));
        all.max_by_key(|(_, len)| *len)
    }

    fn make_room(&mut self) {
        let Some((key, _)) = self.longest() else {
            return;
        };
        let last = self.of.get_mut(&key).and_then(VecDeque::pop_back);
        self.forget_if_empty(key);
        if let Some(last) = last {
            self.waiting = self.waiting.saturating_sub(1);
            if let Some(waker) = last.become_(State::Refused) {
                waker.wake();
            }
        }
    }

    fn forget_if_empty(&mut self, key: Key) {
        if self.len(key) == 0 {
            self.of.remove(&key);
            self.ring.retain(|other| *other != key);
        }
    }
}
