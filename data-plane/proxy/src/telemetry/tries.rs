//! The tries of one request: which node, how long, how it ended. The access log tells each.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_plugin_api::{NodeAddress, Tried};

use super::json::Line;
use crate::error::Reason;

/// One try. Times count from its start; what was not reached is `None`.
#[derive(Debug)]
struct Try {
    node: Arc<str>,
    address: Option<NodeAddress>,
    began: Instant,
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    total: Option<Duration>,
    /// Status of the answer, once there is one.
    status: Option<u16>,
    /// Why there is no answer, or no whole one.
    reason: Option<Reason>,
    /// Whether the request was over first.
    cancelled: bool,
}

impl Try {
    fn end(&mut self) -> bool {
        let first = self.total.is_none();
        if first {
            self.total = Some(self.began.elapsed());
        }
        first
    }

    fn outcome(&self) -> &'static str {
        match (self.status, self.reason) {
            (None, Some(_)) => "failed",
            (Some(_), Some(_)) => "broken",
            _ if self.cancelled => "cancelled",
            _ => "answered",
        }
    }
}

/// The tries of one request, in the order of their starts. Several may be under way at once, so
/// each is changed through its number.
#[derive(Debug, Default)]
pub struct Tries {
    list: RefCell<Vec<Try>>,
}

impl Tries {
    /// A try begins `now`; `node` names it until an address is known. Returns its number.
    pub fn begin(&self, node: Arc<str>, now: Instant) -> usize {
        let mut list = self.list.borrow_mut();
        list.push(Try {
            node,
            address: None,
            began: now,
            connect: None,
            first_byte: None,
            total: None,
            status: None,
            reason: None,
            cancelled: false,
        });
        list.len() - 1
    }

    /// The node's address is known, or another one of them was reached.
    pub fn resolved(&self, number: usize, address: NodeAddress) {
        self.change(number, |this| this.address = Some(address));
    }

    /// A connection was made, in this time.
    pub fn connected(&self, number: usize, took: Duration) {
        self.change(number, |this| this.connect = Some(took));
    }

    /// The head of an answer has come, or will not.
    pub fn heard(&self, number: usize, took: Duration) {
        self.change(number, |this| this.first_byte = Some(took));
    }

    /// The node answered; the try goes on to the end of the answer.
    pub fn answered(&self, number: usize, status: u16) {
        self.change(number, |this| this.status = Some(status));
    }

    /// The try failed.
    pub fn failed(&self, number: usize, reason: Reason) {
        self.change(number, |this| {
            this.end();
            this.reason = Some(reason);
        });
    }

    /// The answer under way is complete, or broke off for a reason.
    pub fn completed(&self, broken: Option<Reason>) {
        let mut list = self.list.borrow_mut();
        let under_way = |this: &&mut Try| this.status.is_some() && this.total.is_none();
        if let Some(this) = list.iter_mut().rev().find(under_way) {
            this.end();
            this.reason = broken;
        }
    }

    /// What has no answer yet ends for a reason that is not its own; whether there was any.
    pub fn abandon(&self, reason: Reason) -> bool {
        let mut list = self.list.borrow_mut();
        let waiting = list
            .iter_mut()
            .filter(|this| this.status.is_none() && this.total.is_none());
        let count = waiting.map(|this| {
            this.end();
            this.reason = Some(reason);
        });
        count.count() > 0
    }

    /// Another try was faster.
    pub fn cancelled(&self, number: usize) {
        self.change(number, |this| this.cancelled = this.end());
    }

    /// The request is over: what is still under way is cancelled.
    pub fn cancel(&self) {
        for this in self.list.borrow_mut().iter_mut() {
            this.cancelled |= this.end();
        }
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// The last node whose address was known.
    #[must_use]
    pub fn last_address(&self) -> Option<NodeAddress> {
        let list = self.list.borrow();
        list.iter().rev().find_map(|this| this.address.clone())
    }

    /// Times of the last try: to connect (zero on a kept connection) and to the head.
    #[must_use]
    pub fn last_times(&self) -> (Duration, Duration) {
        let list = self.list.borrow();
        let last = list.last();
        let connect = last.and_then(|this| this.connect);
        let first_byte = last.and_then(|this| this.first_byte);
        (connect.unwrap_or_default(), first_byte.unwrap_or_default())
    }

    /// Time over all tries that have ended.
    #[must_use]
    pub fn total(&self) -> Duration {
        let list = self.list.borrow();
        list.iter().filter_map(|this| this.total).sum()
    }

    /// What plugins are told of each try when there were several; nothing of one alone.
    #[must_use]
    pub fn told(&self) -> Vec<Tried> {
        let list = self.list.borrow();
        if list.len() < 2 {
            return Vec::new();
        }
        let each = list.iter().map(|this| {
            // Something was heard on a connection, be it a kept one.
            let connected = this.first_byte.map(|_| Duration::ZERO);
            Tried {
                node: Place(this).to_string().into(),
                connect: this.connect.or(connected),
                first_byte: this.first_byte.filter(|_| this.status.is_some()),
                total: this.total.unwrap_or_default(),
            }
        });
        each.collect()
    }

    /// Writes the tries as a list of objects; `since` is when the request began.
    pub fn write(&self, line: &mut Line<'_>, since: Instant) {
        let list = self.list.borrow();
        line.objects("tries", list.iter(), |line, this| {
            line.quoted("addr", Place(this));
            line.milliseconds("start_ms", this.began.saturating_duration_since(since));
            if let Some(connect) = this.connect {
                line.milliseconds("connect_ms", connect);
            }
            if let Some(first_byte) = this.first_byte {
                line.milliseconds("first_byte_ms", first_byte);
            }
            if let Some(total) = this.total {
                line.milliseconds("total_ms", total);
            }
            line.text("outcome", this.outcome());
            if let Some(status) = this.status {
                line.plain("status", status);
            }
            if let Some(reason) = this.reason {
                line.text("reason", reason.as_str());
            }
        });
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Try)) {
        if let Some(this) = self.list.borrow_mut().get_mut(number) {
            change(this);
        }
    }
}

/// `10.0.0.1:80, 10.0.0.2:80`: the nodes of all tries.
impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, this) in self.list.borrow().iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{}", Place(this))?;
        }
        Ok(())
    }
}

/// The address of a try, or the name that did not lead to one.
struct Place<'a>(&'a Try);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.address {
            Some(address) => address.fmt(f),
            None => self.0.node.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tries: &Tries) -> serde_json::Value {
        let mut out = String::new();
        let mut line = Line::begin(&mut out);
        tries.write(&mut line, Instant::now());
        line.end();
        let mut value: serde_json::Value = serde_json::from_str(&out).unwrap();
        value["tries"].take()
    }

    #[test]
    fn every_try_tells_how_it_ended() {
        let tries = Tries::default();
        let unknown = tries.begin(Arc::from("a.invalid:80"), Instant::now());
        tries.failed(unknown, Reason::DnsFailure);
        let good = tries.begin(Arc::from("b:80"), Instant::now());
        tries.resolved(good, "127.0.0.1:80".parse().unwrap());
        tries.connected(good, Duration::from_millis(2));
        tries.heard(good, Duration::from_millis(5));
        tries.answered(good, 200);
        tries.completed(None);
        let cut = tries.begin(Arc::from("b:80"), Instant::now());
        tries.answered(cut, 206);
        tries.completed(Some(Reason::ResponseTruncated));
        let left = tries.begin(Arc::from("c:80"), Instant::now());
        tries.cancel();
        let told = written(&tries);
        assert_eq!(told[unknown]["addr"], "a.invalid:80");
        assert_eq!(told[unknown]["outcome"], "failed");
        assert_eq!(told[unknown]["reason"], "dns_failure");
        assert_eq!(told[good]["addr"], "127.0.0.1:80");
        assert_eq!(told[good]["connect_ms"], 2.0);
        assert_eq!(told[good]["first_byte_ms"], 5.0);
        assert_eq!(told[good]["outcome"], "answered");
        assert_eq!(told[good]["status"], 200);
        assert_eq!(told[cut]["outcome"], "broken");
        assert_eq!(told[cut]["reason"], "response_truncated");
        assert_eq!(told[left]["outcome"], "cancelled");
        for place in [unknown, good, left] {
            assert!(told[place]["total_ms"].is_number(), "{told}");
        }
        assert_eq!(tries.to_string(), "a.invalid:80, 127.0.0.1:80, b:80, c:80");
        assert_eq!(tries.last_address(), "127.0.0.1:80".parse().ok());
        let told: Vec<_> = tries.told();
        let ms = Duration::from_millis;
        assert_eq!(&*told[unknown].node, "a.invalid:80");
        assert_eq!(
            (told[unknown].connect, told[unknown].first_byte),
            (None, None)
        );
        assert_eq!(told[good].connect, Some(ms(2)));
        assert_eq!(told[good].first_byte, Some(ms(5)));
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn the_end_of_an_answer_ends_its_try_once() {
        let tries = Tries::default();
        let only = tries.begin(Arc::from("a:80"), Instant::now());
        tries.answered(only, 200);
        assert_eq!(tries.total(), Duration::ZERO);
        tries.completed(None);
        let total = tries.total();
        tries.cancel();
        assert_eq!(tries.total(), total);
        assert_eq!(written(&tries)[only]["outcome"], "answered");
        assert_eq!(tries.told(), []);
    }
}
