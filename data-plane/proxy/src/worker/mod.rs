//! One worker: an OS thread with its own runtime, listeners, timers, buffers, connection pools and
//! counters. Workers share the published runtime, the resolver and nothing else.

pub mod buffers;
pub mod date;
pub mod drain;
pub mod holders;
pub mod listener;
pub mod published;
pub mod pulse;
pub mod refusal;
pub mod run;
pub mod supervise;
pub mod wheel;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::admission::Admission;
use crate::admission::gate::Place;
use crate::admission::lag::Pace;
use crate::error::Reason;
use crate::gateway::Settings;
use crate::http::intake::Holding;
use crate::origin::spill::Spills;
use crate::runtime::Runtime;
use crate::telemetry::access_log::Collector;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::sparse::Sparse;
use crate::tls::Turnstile;
use crate::upstream::census::Census;
use crate::upstream::pool::Pool;
use crate::upstream::resolve::{Names, Resolver};
use buffers::Buffers;
use date::Date;
use drain::Drain;
use holders::Holders;
use published::Published;
use wheel::Wheel;

/// What the tasks of one worker share.
pub struct Worker {
    /// Position among the workers.
    pub id: usize,
    /// Static settings.
    pub settings: Arc<Settings>,
    /// Timers.
    pub wheel: Wheel,
    /// The `Date` field.
    pub date: Date,
    /// Free buffers.
    pub buffers: Buffers,
    /// Idle connections to nodes.
    pub pool: Pool,
    /// All connections to nodes.
    pub census: Census,
    /// Addresses of names.
    pub names: Names,
    /// Request bodies on disk.
    pub spills: Spills,
    /// Bodies that are held for variables, by all workers.
    pub bodies: Arc<Holding>,
    /// Who is let in, for all workers.
    pub admission: Arc<Admission>,
    /// Counters.
    pub metrics: Arc<WorkerMetrics>,
    /// The access log, unless it is off.
    pub log: Option<Collector>,
    /// What open connections hold.
    pub holders: Holders,
    /// Refused connections that are not closed yet.
    pub leaving: Cell<u32>,
    /// Where TLS handshakes queue up.
    pub turnstile: Turnstile,
    /// Which failed handshakes are logged.
    pub handshake_log: Sparse,
    /// Whether the worker is ending.
    pub drain: Drain,
    published: Arc<Published>,
    runtime: RefCell<Option<Arc<Runtime>>>,
    seen: Cell<u64>,
    random: RefCell<SmallRng>,
    pace: Cell<Pace>,
}

/// What a worker is made of and does not make itself.
#[derive(Clone)]
pub struct Parts {
    /// Position among the workers.
    pub id: usize,
    /// Static settings.
    pub settings: Arc<Settings>,
    /// Where runtimes are published.
    pub published: Arc<Published>,
    /// Addresses of names.
    pub resolver: Resolver,
    /// Request bodies on disk.
    pub spills: Spills,
    /// Bodies that are held for variables, by all workers.
    pub bodies: Arc<Holding>,
    /// Who is let in, for all workers.
    pub admission: Arc<Admission>,
    /// Counters.
    pub metrics: Arc<WorkerMetrics>,
    /// The access log, unless it is off.
    pub log: Option<Collector>,
}

impl Worker {
    /// Builds the state, on the worker's own thread.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            id: parts.id,
            settings: parts.settings,
            wheel: Wheel::new(Instant::now()),
            date: Date::new(std::time::SystemTime::now()),
            buffers: Buffers::default(),
            pool: Pool::default(),
            census: Census::default(),
            names: parts.resolver.names(),
            spills: parts.spills,
            bodies: parts.bodies,
            holders: Holders::new(Arc::clone(&parts.admission)),
            admission: parts.admission,
            leaving: Cell::new(0),
            pace: Cell::new(Pace::new(Instant::now())),
            metrics: parts.metrics,
            log: parts.log,
            turnstile: Turnstile::default(),
            handshake_log: Sparse::default(),
            drain: Drain::default(),
            published: parts.published,
            runtime: RefCell::default(),
            seen: Cell::new(0),
            random: RefCell::new(SmallRng::from_os_rng()),
        }
    }

    /// The newest runtime; `None` before the first. Costs one atomic load when nothing changed.
    #[must_use]
    pub fn runtime(&self) -> Option<Arc<Runtime>> {
        self.refresh();
        self.runtime.borrow().clone()
    }

    /// Takes a newer runtime if there is one, and lets go of the old.
    pub fn refresh(&self) {
        let generation = self.published.generation();
        if generation == self.seen.get() {
            return;
        }
        let runtime = self.published.runtime();
        self.seen.set(generation);
        let revision = runtime.as_ref().map_or(0, |runtime| runtime.revision);
        self.metrics.revision.set(revision);
        // Dropped after the borrow ends: it may be the last holder of a large structure.
        let old = self.runtime.replace(runtime);
        drop(old);
    }

    /// Lets a request in that began just `now`, maybe after a moment, until the result is dropped.
    ///
    /// # Errors
    /// Why not.
    pub async fn admit(&self, now: Instant) -> Result<Place, Reason> {
        if self.settings.limits.adaptive {
            self.pace.set(self.pace.get().at_request(now));
        }
        let share = self.pace.get().share();
        if !share.admits(self.metrics.in_flight.get(), self.random()) {
            self.admission.loads.refused(self.id);
            return Err(Reason::Overloaded);
        }
        self.admission.place().await
    }

    /// Finds out what share of requests can be let in, given how late the worker runs.
    pub fn keep_up(&self, now: Instant, lag: Duration) {
        if self.settings.limits.adaptive {
            self.pace.set(self.pace.get().after_beat(now, lag));
        }
        let share = self.pace.get().share();
        self.admission.loads.note(self.id, lag, &share);
    }

    /// 64 random bits, not for secrets.
    pub fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// A new request id: 32 hexadecimal digits.
    #[must_use]
    pub fn request_id(&self) -> String {
        let halves = [self.random(), self.random()];
        let digit = |half: u64, shift: u32| {
            let digit = u8::try_from(half >> shift & 0xf).unwrap_or(0);
            char::from(if digit < 10 {
                b'0' + digit
            } else {
                b'a' - 10 + digit
            })
        };
        let shifts = (0..u64::BITS).step_by(4).rev();
        let mut id = String::with_capacity(32);
        for half in halves {
            id.extend(shifts.clone().map(|shift| digit(half, shift)));
        }
        id
    }
}
