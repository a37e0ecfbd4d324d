//! The proxy as its owner sees it: start, publish, drain, look at the numbers.

mod config;
mod inherited;
mod limits;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime as Background;
use tokio::sync::{mpsc, watch};
use weir_plugin_api::{Living, SHELVES, Scheme};

use crate::admission::{Admission, descriptors, memory};
use crate::http::intake::Holding;
use crate::origin::spill::Spills;
use crate::runtime::Runtime;
use crate::telemetry::access_log::{AccessLog, Writer};
use crate::telemetry::metrics::{self, Stats, WorkerMetrics};
use crate::telemetry::panics;
use crate::tls::ocsp;
use crate::upstream::health::checkers::Checkers;
use crate::upstream::resolve::Resolver;
use crate::upstream::resolve::follow::follow;
use crate::worker::published::Published;
use crate::worker::run::{Entrance, Order};
use crate::worker::{Parts, run};

pub use config::{
    GatewayConfig, ReplaySettings, Settings, StreamListener, StreamSettings, server_field,
};
pub use inherited::Inherited;
pub use limits::{Cap, Limits};

use sockets::{Held, Sockets};

/// How often all state that no runtime holds any more is looked for.
const SWEEP_LIVING: Duration = Duration::from_secs(10);
/// Longest drain; a limit that the clock cannot add counts as this.
const MOST: Duration = Duration::from_secs(24 * 3600);

/// Options that name listeners for PROXY headers.
const RELAYED_HTTP: &str = "apisix.proxy_protocol.listen_http_port";
const RELAYED_HTTPS: &str = "apisix.proxy_protocol.listen_https_port";
/// Options that name listeners for streams.
const STREAM_TCP: &str = "apisix.stream_proxy.tcp";
const STREAM_UDP: &str = "apisix.stream_proxy.udp";

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (option `{option}`)")]
    Bind {
        /// Which option named it.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The access log cannot be opened.
    #[error("cannot open the access log {path:?}")]
    AccessLog {
        /// Its file, if it is one.
        path: Option<PathBuf>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// Where the gateway listens, with the ports that were chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Cleartext, in the order of the configuration.
    pub http: Vec<SocketAddr>,
    /// TLS, in the order of the configuration.
    pub https: Vec<SocketAddr>,
    /// Cleartext behind a PROXY header, in the order of the configuration.
    pub relayed_http: Vec<SocketAddr>,
    /// TLS behind a PROXY header, in the order of the configuration.
    pub relayed_https: Vec<SocketAddr>,
    /// Streams over TCP, in the order of the configuration.
    pub stream_tcp: Vec<SocketAddr>,
    /// Streams over UDP, in the order of the configuration.
    pub stream_udp: Vec<SocketAddr>,
}

/// What was open when the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests and streams that were cut off by the deadline.
    pub unfinished: u64,
}

/// The running proxy. Dropping it ends it at once; [`Gateway::drain`] ends it politely.
pub struct Gateway {
    addresses: Addresses,
    published: Arc<Published>,
    orders: watch::Sender<Order>,
    metrics: Vec<Arc<WorkerMetrics>>,
    admission: Arc<Admission>,
    checkers: Checkers,
    drain_idle: Duration,
    /// Until it serves.
    waiting: Mutex<Option<Waiting>>,
    /// The listening sockets once more, while it serves.
    held: Mutex<Held>,
    /// Closes when the last worker has ended.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: Mutex<Option<Writer>>,
    background: Option<Background>,
}

/// What workers are made of, before there are any.
struct Waiting {
    sockets: Sockets,
    settings: Arc<Settings>,
    resolver: Resolver,
    ended: mpsc::Sender<()>,
}

impl Gateway {
    /// [`Gateway::bind`], then [`Gateway::serve`]: until the first runtime is published, every
    /// request is answered 503.
    ///
    /// # Errors
    /// What could not be had; nothing is left running then.
    pub fn start(
        config: GatewayConfig,
        living: Living,
        runtime: Option<Arc<Runtime>>,
    ) -> Result<Self, StartError> {
        let gateway = Self::bind(config, living, &mut Inherited::default())?;
        if let Some(runtime) = runtime {
            gateway.publish(runtime);
        }
        gateway.serve()?;
        Ok(gateway)
    }

    /// Takes the addresses and prepares to serve; nobody can connect yet. Sockets that another
    /// process had on one of the addresses are used further. `living` is swept of state that no
    /// runtime uses any more.
    ///
    /// # Errors
    /// What could not be had; nothing is left running then.
    pub fn bind(
        config: GatewayConfig,
        living: Living,
        inherited: &mut Inherited,
    ) -> Result<Self, StartError> {
        panics::watch();
        let workers = config.workers.get();
        let descriptors = descriptors::raise();
        let admission = Admission::new(&config.settings, workers, descriptors, memory::machine());
        let admission = Arc::new(admission);
        let mut sockets = Sockets::new(workers);
        let mut bind = |option, addresses: &[SocketAddr], scheme, relayed| {
            let entrance = Entrance::of_http(scheme, relayed);
            sockets.bind(option, addresses, entrance, inherited)
        };
        let (http, https) = (Scheme::Http, Scheme::Https);
        let mut addresses = Addresses {
            http: bind("http", &config.http, http, false)?,
            https: bind("https", &config.https, https, false)?,
            relayed_http: bind(RELAYED_HTTP, &config.relayed_http, http, true)?,
            relayed_https: bind(RELAYED_HTTPS, &config.relayed_https, https, true)?,
            ..Addresses::default()
        };
        for listener in &config.stream_tcp {
            let scheme = if listener.tls { https } else { http };
            let entrance = Entrance::of_streams(scheme, config.settings.streams.relayed);
            let bound = sockets.bind(STREAM_TCP, &[listener.address], entrance, inherited)?;
            addresses.stream_tcp.extend(bound);
        }
        addresses.stream_udp = sockets.bind_udp(STREAM_UDP, &config.stream_udp, inherited)?;
        let log = Writer::start(&config.access_log).map_err(|source| StartError::AccessLog {
            path: match &config.access_log {
                AccessLog::File(path) => Some(path.clone()),
                AccessLog::Off | AccessLog::Stdout => None,
            },
            source,
        })?;
        let background = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("weir-background")
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let resolver = Resolver::new(background.handle().clone());
        let published = Arc::default();
        let checkers = Checkers::start(&living, &published, background.handle());
        background.spawn(follow(resolver.clone(), Arc::downgrade(&published)));
        background.spawn(ocsp::keep(Arc::downgrade(&published)));
        background.spawn(sweep(living));
        let (ended, ended_receiver) = mpsc::channel(1);
        Ok(Self {
            addresses,
            published,
            checkers,
            orders: watch::Sender::new(Order::Run),
            metrics: (0..workers).map(|_| Arc::default()).collect(),
            admission,
            drain_idle: config.settings.drain_idle,
            waiting: Mutex::new(Some(Waiting {
                sockets,
                settings: Arc::new(config.settings),
                resolver,
                ended,
            })),
            held: Mutex::default(),
            ended: tokio::sync::Mutex::new(ended_receiver),
            threads: Mutex::default(),
            log: Mutex::new(log),
            background: Some(background),
        })
    }

    /// Lets clients connect and starts the workers. A second call does nothing.
    ///
    /// # Errors
    /// Another process listens on one of the addresses by now, or the system gives no thread. The
    /// gateway is of no use then.
    pub fn serve(&self) -> Result<(), StartError> {
        let Some(waiting) = lock(&self.waiting).take() else {
            return Ok(());
        };
        let listening = waiting.sockets.listen()?;
        *lock(&self.held) = listening.held;
        let Some(background) = &self.background else {
            return Ok(());
        };
        let settings = waiting.settings;
        let replay = &settings.replay;
        let spills = Spills::new(
            background.handle().clone(),
            replay.folder.clone(),
            replay.total,
        );
        // Bodies come faster than memory is looked at: of a ceiling they take an eighth at most.
        let ceiling = self.admission.memory.ceiling();
        let share = ceiling.and_then(|bytes| usize::try_from(bytes / 8).ok());
        let bodies = settings.limits.body_memory.min(share.unwrap_or(usize::MAX));
        let bodies = Arc::new(Holding::new(bodies));
        background.spawn(memory::watch(Arc::clone(&self.admission)));
        let workers = listening.by_worker.into_iter().zip(&self.metrics);
        for (id, (listeners, metrics)) in workers.enumerate() {
            let parts = Parts {
                id,
                settings: Arc::clone(&settings),
                published: Arc::clone(&self.published),
                resolver: waiting.resolver.clone(),
                spills: spills.clone(),
                bodies: Arc::clone(&bodies),
                admission: Arc::clone(&self.admission),
                metrics: Arc::clone(metrics),
                log: lock(&self.log).as_ref().and_then(Writer::collector),
            };
            let orders = self.orders.subscribe();
            let ended = waiting.ended.clone();
            let thread = std::thread::Builder::new()
                .name(format!("weir-worker-{id}"))
                .spawn(move || {
                    run::run(&parts, listeners, &orders);
                    drop(ended);
                })
                .map_err(StartError::Thread)?;
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    /// The listening sockets for another process, which then takes connections as well; with
    /// `datagrams`, which it then shares with this one, also those for UDP.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn sockets(&self, datagrams: bool) -> io::Result<Vec<OwnedFd>> {
        lock(&self.held).again(datagrams)
    }

    /// Makes `runtime` the one that requests see from now on. Open requests keep theirs; probes go
    /// to its nodes a moment later. When addresses of names change, the gateway replaces it by one
    /// that is the same otherwise.
    pub fn publish(&self, runtime: Arc<Runtime>) {
        self.published.publish(runtime);
    }

    /// The health checks.
    #[must_use]
    pub fn checkers(&self) -> &Checkers {
        &self.checkers
    }

    /// The newest runtime that was published.
    #[must_use]
    pub fn runtime(&self) -> Option<Arc<Runtime>> {
        self.published.runtime()
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Sums over the workers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        metrics::stats(&self.metrics, self.log_dropped())
    }

    /// Appends the metrics in the Prometheus text format.
    pub fn metrics_text(&self, out: &mut String) {
        metrics::write_text(&self.metrics, self.log_dropped(), out);
        if let Some(runtime) = self.runtime() {
            crate::stream::metrics::write_text(&runtime, out);
        }
        self.checkers.write_text(out);
        self.admission.write_text(out);
        panics::write_text(out);
    }

    fn log_dropped(&self) -> u64 {
        lock(&self.log).as_ref().map_or(0, Writer::dropped)
    }

    /// Stops accepting, tells clients to go (`Connection: close`, GOAWAY), waits until open
    /// requests are answered or `limit` is over, and ends. Dropping the future does not take the
    /// order back.
    pub async fn drain(&self, limit: Duration) -> Drained {
        // A socket listens as long as any descriptor of it is open.
        *lock(&self.held) = Held::default();
        lock(&self.waiting).take();
        let now = Instant::now();
        let after = |time| now.checked_add(time).unwrap_or(now + MOST);
        let order = Order::Drain {
            idle: after(self.drain_idle.min(limit / 2)),
            deadline: after(limit),
        };
        self.orders.send_if_modified(|current| {
            let first = *current == Order::Run;
            if first {
                *current = order;
            }
            first
        });
        // The channel closes when the last worker has ended.
        let _ = self.ended.lock().await.recv().await;
        let cut_off = self.metrics.iter().map(|worker| worker.cut_off.get());
        let unfinished = cut_off.sum();
        self.join();
        Drained { unfinished }
    }

    /// Ends a drain now, as if its time were over.
    pub fn hurry(&self) {
        self.orders.send_replace(Order::Stop);
    }

    fn join(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("worker panicked");
            }
        }
        // The log ends after the last worker has handed over its lines.
        let log = lock(&self.log).take();
        drop(log);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.orders.send_replace(Order::Stop);
        self.join();
        if let Some(background) = self.background.take() {
            // Must not wait: the owner may be a task of another runtime.
            background.shutdown_background();
        }
    }
}

async fn sweep(living: Living) {
    let mut interval = tokio::time::interval(SWEEP_LIVING / SHELVES as u32);
    loop {
        interval.tick().await;
        living.sweep_next();
    }
}
