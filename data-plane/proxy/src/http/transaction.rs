//! One request from its head to its log line. However it ends, it is counted and logged once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use weir_plugin_api::{Context, ResponseHead};

use super::connection::Busy;
use super::inbound::Back;
use crate::admission::gate::Place;
use crate::chain::Active;
use crate::error::{Reason, Refusal};
use crate::runtime::Runtime;
use crate::telemetry::access_log::Entry;
use crate::telemetry::tries::Tries;
use crate::upstream::budget::Account;
use crate::upstream::load::Inside;
use crate::upstream::node::InFlight;
use crate::worker::Worker;
use crate::worker::holders::Share;
use crate::worker::wheel::Timer;

/// State of one open request. Dropping it finishes it: the log phase runs, metrics are counted,
/// the access log gets its line.
pub struct Transaction {
    /// What plugins see.
    pub context: Context,
    /// Plugins that run for this request, global rules included.
    pub chain: Active,
    /// The runtime that the request was matched with; kept to its end.
    pub runtime: Option<Arc<Runtime>>,
    /// The try under way, or the one that answered: counted until the request is over.
    pub in_flight: Option<(InFlight, Option<Inside>)>,
    /// Its place among the requests of the upstream, when those are counted.
    pub inside: Option<Inside>,
    /// Its place among the requests of the process, once it was let in.
    pub place: Option<Place>,
    /// What it holds of the memory, on account of its connection.
    pub share: Rc<Share>,
    /// Its part of the retry budget.
    pub account: Option<Account>,
    /// The end of the time that the answer may take; `None` is no limit.
    pub deadline: Option<Timer>,
    /// Why the last try, which failed, was not followed by another; else empty.
    pub not_retried: &'static str,
    /// The rule that a malformed request breaks; else empty.
    pub detail: &'static str,
    /// Whether the node is asked for a WebSocket.
    pub upgrade: bool,
    /// The way back to the client, for interim answers.
    pub back: Option<Back>,
    /// The worker.
    pub worker: Rc<Worker>,
    /// All tries so far.
    pub tries: Tries,
    started: Instant,
    answered: bool,
    complete: bool,
    _busy: Busy,
}

impl Transaction {
    /// Begins a request.
    #[must_use]
    pub fn begin(
        worker: Rc<Worker>,
        runtime: Option<Arc<Runtime>>,
        context: Context,
        busy: Busy,
    ) -> Box<Self> {
        worker.metrics.requests.add(1);
        worker.metrics.in_flight.add(1);
        let started = Instant::now();
        worker.turnstile.worked(started);
        worker.buffers.share(worker.metrics.in_flight.get());
        let share = busy.holder().hold();
        let mut transaction = Box::new(Self {
            context,
            chain: Active::default(),
            in_flight: None,
            inside: None,
            place: None,
            share,
            account: None,
            deadline: None,
            not_retried: "",
            detail: "",
            upgrade: false,
            back: None,
            runtime,
            worker,
            tries: Tries::default(),
            started,
            answered: false,
            complete: false,
            _busy: busy,
        });
        transaction.context.record.request_id = transaction.worker.request_id();
        transaction.context.record.request_bytes = transaction.context.request.size();
        transaction
    }

    /// When it began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Tells the record, which plugins see, what is known of the tries.
    pub fn note_tries(&mut self) {
        let record = &mut self.context.record;
        record.node = self.tries.last_address();
        (record.connect, record.first_byte) = self.tries.last_times();
        record.upstream = self.tries.total();
        record.tries = self.tries.told();
    }

    /// Gives up the tries under way, for a reason that is not theirs.
    pub fn abandon(&mut self, reason: Reason) {
        self.in_flight = None;
        if self.tries.abandon(reason) {
            let status = reason.status().as_u16();
            self.context.record.upstream_statuses.push(status);
        }
        self.note_tries();
    }

    /// Notes why the request failed; the first reason stays.
    pub fn failed(&mut self, reason: Reason) {
        self.worker.metrics.failed(reason);
        if self.context.record.reason.is_empty() {
            self.context.record.reason = reason.as_str();
        }
    }

    /// Notes that the request is refused, and by which rule.
    pub fn refused(&mut self, refusal: Refusal) {
        self.detail = refusal.detail;
        self.failed(refusal.reason);
    }

    /// Notes the head that goes to the client.
    pub fn answering(&mut self, head: &ResponseHead) {
        self.answered = true;
        let record = &mut self.context.record;
        record.status = head.status.as_u16();
        let fields = head.headers.iter();
        let size: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        record.response_bytes += size as u64 + 17;
    }

    /// Runs the header filters; `context.response` must be set.
    ///
    /// # Errors
    /// A plugin panicked: none runs for this request any more.
    pub fn filter_header(&mut self) -> Result<(), Reason> {
        self.guarded(|chain, context| {
            chain.header_filter(context);
            context.choose_coding();
        })
    }

    /// Runs the body filters, and codes what they leave.
    ///
    /// # Errors
    /// A plugin panicked: none runs for this request any more.
    pub fn filter_body(&mut self, piece: &mut Bytes, end: bool) -> Result<(), Reason> {
        if !self.chain.filters_body() && !self.context.codes_body() {
            return Ok(());
        }
        self.guarded(|chain, context| {
            chain.body_filter(context, piece, end);
            context.code_body(piece, end);
        })
    }

    /// Whether anything looks at the head of the answer once it was filtered.
    #[must_use]
    pub fn keeps_head(&self) -> bool {
        self.worker.log.is_some() || self.chain.follows_answer()
    }

    /// After a panic no plugin is trusted with this request.
    pub fn panicked(&mut self) -> Reason {
        self.chain = Active::default();
        Reason::Panicked
    }

    fn guarded(&mut self, work: impl FnOnce(&Active, &mut Context)) -> Result<(), Reason> {
        let (chain, context) = (&self.chain, &mut self.context);
        // What it leaves half done is the plugin's own, and no plugin runs after it.
        catch_unwind(AssertUnwindSafe(|| work(chain, context))).map_err(|_| self.panicked())
    }

    /// Counts a piece of body that goes to the client.
    pub fn sending(&mut self, piece: &Bytes) {
        let size = piece.len() as u64;
        self.context.record.body_bytes += size;
        self.context.record.response_bytes += size;
    }

    /// Marks the answer as complete: its end is not the client's leaving.
    pub fn completed(&mut self) {
        self.complete = true;
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.complete && self.context.record.reason.is_empty() {
            self.failed(Reason::ClientGone);
        }
        self.tries.cancel();
        self.note_tries();
        let record = &mut self.context.record;
        if !self.answered {
            record.status = Reason::ClientGone.status().as_u16();
        }
        let ended = Instant::now();
        self.worker.turnstile.worked(ended);
        record.total = ended.saturating_duration_since(self.started);
        let metrics = &self.worker.metrics;
        metrics.in_flight.subtract(1);
        metrics.finished(record.status, record.total);
        metrics.received.add(record.request_bytes);
        metrics.sent.add(record.response_bytes);
        // A second panic while the first unwinds would end the process.
        if !std::thread::panicking() {
            // And one while a value is dropped would pass over whoever dropped it.
            let _ = self.guarded(|chain, context| chain.log(context));
        }
        if let Some(log) = &self.worker.log {
            let entry = Entry {
                context: &self.context,
                tries: &self.tries,
                not_retried: self.not_retried,
                detail: self.detail,
                began: self.started,
            };
            log.add(&entry, SystemTime::now());
        }
    }
}
