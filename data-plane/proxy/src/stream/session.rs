//! One stream from its beginning to its log line. However it ends, it is counted and logged once.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use weir_plugin_api::{StreamContext, StreamHead};

use super::front::Front;
use super::log;
use super::route::CompiledStreamRoute;
use crate::error::Reason;
use crate::runtime::nobody;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::tries::Tries;
use crate::upstream::load::Inside;
use crate::upstream::node::InFlight;
use crate::upstream::runtime::UpstreamRuntime;
use crate::worker::Worker;

/// Status of a stream that ended as it should.
const GOOD: u16 = 200;

/// What went over a stream so far.
pub(super) struct Traffic {
    metrics: Arc<WorkerMetrics>,
    received: Cell<u64>,
    sent: Cell<u64>,
    datagrams_received: Cell<u64>,
    datagrams_sent: Cell<u64>,
}

impl Traffic {
    /// Bytes came from the client.
    pub(super) fn received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
        self.metrics.stream_received.add(bytes as u64);
    }

    /// Bytes went to the client.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
        self.metrics.stream_sent.add(bytes as u64);
    }

    /// A datagram came from the client.
    pub(super) fn datagram_received(&self, bytes: usize) {
        self.received(bytes);
        self.datagrams_received
            .set(self.datagrams_received.get() + 1);
        self.metrics.datagrams_received.add(1);
    }

    /// A datagram went to the client.
    pub(super) fn datagram_sent(&self, bytes: usize) {
        self.sent(bytes);
        self.datagrams_sent.set(self.datagrams_sent.get() + 1);
        self.metrics.datagrams_sent.add(1);
    }

    /// A datagram was lost here.
    pub(super) fn datagram_dropped(&self) {
        self.metrics.datagrams_dropped.add(1);
    }
}

/// State of one open stream. Dropping it finishes it.
pub(super) struct Session {
    /// What plugins see.
    pub(super) context: StreamContext,
    /// The worker.
    pub(super) worker: Rc<Worker>,
    /// All tries so far.
    pub(super) tries: Tries,
    /// What went over it so far.
    pub(super) traffic: Rc<Traffic>,
    /// The try under way, or the one that was connected: counted until the stream is over.
    pub(super) in_flight: Option<(InFlight, Option<Inside>)>,
    /// Its place among those of the upstream, when they are counted.
    pub(super) inside: Option<Inside>,
    /// Why the last try, which failed, was not followed by another; else empty.
    pub(super) not_retried: &'static str,
    route: Option<Arc<CompiledStreamRoute>>,
    started: Instant,
}

impl Session {
    /// A stream begins.
    pub(super) fn begin(worker: &Rc<Worker>, head: StreamHead) -> Self {
        worker.metrics.streams.add(1);
        worker.metrics.streams_open.add(1);
        let mut context = StreamContext::new(head, nobody());
        context.record.id = worker.request_id();
        Self {
            context,
            tries: Tries::default(),
            traffic: Rc::new(Traffic {
                metrics: Arc::clone(&worker.metrics),
                received: Cell::new(0),
                sent: Cell::new(0),
                datagrams_received: Cell::new(0),
                datagrams_sent: Cell::new(0),
            }),
            in_flight: None,
            inside: None,
            not_retried: "",
            route: None,
            started: Instant::now(),
            worker: Rc::clone(worker),
        }
    }

    /// Finds the route, runs its plugins, and finds the upstream. Both stay the stream's own.
    ///
    /// # Errors
    /// Why the stream is to be closed.
    pub(super) async fn admit(
        &mut self,
        front: &mut impl Front,
    ) -> Result<Arc<UpstreamRuntime>, Reason> {
        let runtime = self.worker.runtime().ok_or(Reason::NotReady)?;
        self.context.host = runtime.host();
        let route = runtime.stream_route(&self.context.head);
        let route = Arc::clone(route.ok_or(Reason::NoRoute)?);
        route.totals.begin();
        self.context.route = Some(Arc::clone(&route.info));
        self.route = Some(Arc::clone(&route));
        let chain = &route.chain;
        chain
            .preread(&mut self.context, &self.worker, front)
            .await?;
        let upstream = match &self.context.upstream {
            Some(choice) => runtime.stream_chosen(choice)?,
            None => Arc::clone(runtime.stream_upstream(&route)?),
        };
        Ok(Arc::clone(runtime.usable(&upstream)))
    }

    /// Notes how the stream ended.
    pub(super) fn end(&mut self, ended: Result<(), Reason>) {
        let record = &mut self.context.record;
        match ended {
            Ok(()) => record.status = GOOD,
            Err(reason) => {
                self.worker.metrics.failed(reason);
                record.reason = reason.as_str();
                if record.status == 0 {
                    record.status = reason.status().as_u16();
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.context.record.status == 0 {
            // Nobody drops a stream but the worker, at its end.
            self.end(Err(Reason::Shutdown));
        }
        self.tries.completed(None);
        self.tries.cancel();
        let record = &mut self.context.record;
        record.received = self.traffic.received.get();
        record.sent = self.traffic.sent.get();
        record.datagrams_received = self.traffic.datagrams_received.get();
        record.datagrams_sent = self.traffic.datagrams_sent.get();
        record.total = self.started.elapsed();
        record.node = self.tries.last_address();
        record.tries = self.tries.told();
        record.connect = self.tries.last_times().0;
        self.worker.metrics.streams_open.subtract(1);
        if let Some(route) = &self.route {
            let failed = !record.reason.is_empty();
            route.totals.end(record.received, record.sent, failed);
            // A second panic while the first unwinds would end the process.
            if !std::thread::panicking() {
                route.chain.log(&self.context);
            }
        }
        if let Some(collector) = &self.worker.log {
            let entry = log::Entry {
                context: &self.context,
                tries: &self.tries,
                not_retried: self.not_retried,
                began: self.started,
            };
            collector.add_line(|text| log::write_line(&entry, SystemTime::now(), text));
        }
    }
}
