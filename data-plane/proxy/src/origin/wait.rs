//! What an exchange waits for, and how long.

use std::task::{Context, Poll};
use std::time::Instant;

use crate::error::Reason;
use crate::upstream::timeout::Limits;
use crate::worker::wheel::Timer;

/// How far a request has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Blocked by the node, or not started.
    Node,
    /// The client's next piece is awaited.
    Client,
    /// Everything is out.
    Done,
    /// The node no longer takes anything; it may still answer.
    Broken,
}

/// What is waited for; each has its own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Send,
    Client,
    Read,
}

/// The wait of one exchange.
#[derive(Debug)]
pub struct Wait {
    limits: Limits,
    waiting: Option<Waiting>,
}

impl Wait {
    /// A wait with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: None,
        }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Something came: the wait is over.
    pub fn over(&mut self, timer: &Timer) {
        timer.disarm();
        self.waiting = None;
    }

    /// The head has come: the limit of the whole try is kept.
    pub fn headed(&mut self, timer: &Timer) {
        self.limits.head_until = None;
        self.over(timer);
    }

    /// Ready with the reason when the current wait has lasted too long. It begins anew with every
    /// `progress`, and with everything else that is waited for.
    pub fn poll(
        &mut self,
        timer: &Timer,
        cx: &mut Context<'_>,
        sending: Sending,
        progress: bool,
    ) -> Poll<Reason> {
        let waiting = match sending {
            Sending::Node => Waiting::Send,
            Sending::Client => Waiting::Client,
            Sending::Done | Sending::Broken => Waiting::Read,
        };
        let (limit, reason) = match waiting {
            Waiting::Send => (self.limits.send, Reason::TimeoutSend),
            Waiting::Client => (self.limits.client, Reason::ClientTimeout),
            Waiting::Read => (self.limits.read, Reason::TimeoutRead),
        };
        if progress || self.waiting != Some(waiting) {
            self.waiting = Some(waiting);
            let now = Instant::now();
            timer.arm_at(now, self.limits.cut(limit, now));
        }
        if timer.poll_expired(cx) {
            Poll::Ready(self.limits.reached(reason, Instant::now()))
        } else {
            Poll::Pending
        }
    }
}
