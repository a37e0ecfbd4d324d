//! The proxy as its owner sees it: start, publish, drain, look at the numbers.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::HeaderValue;
use ipnet::IpNet;
use tokio::runtime::Runtime as Background;
use tokio::sync::{mpsc, watch};
use weir_plugin_api::{BodyLimits, Living, Scheme};

use crate::http::forward::RealIp;
use crate::http::intake::Holding;
use crate::http::target::PathRules;
use crate::origin::spill::Spills;
use crate::runtime::Runtime;
use crate::telemetry::access_log::{AccessLog, Writer};
use crate::telemetry::metrics::{self, Stats, WorkerMetrics};
use crate::upstream::health::checkers::Checkers;
use crate::upstream::resolve::Resolver;
use crate::upstream::resolve::follow::follow;
use crate::worker::published::Published;
use crate::worker::run::{Listener, Order};
use crate::worker::{Parts, listener, run};

/// How often state that no runtime holds any more is looked for.
const SWEEP_LIVING: Duration = Duration::from_secs(10);

/// Limits towards clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head; at least 8192. Above: 431.
    pub header_bytes: usize,
    /// Fields of a request head. Above: 431.
    pub header_count: usize,
    /// Bytes of a request target. Above: 414.
    pub uri_length: usize,
    /// From the accept, or the first byte after idleness, to the end of a request head.
    pub header: Duration,
    /// From the end of one request to the first byte of the next.
    pub idle: Duration,
    /// While the client does not take what is written.
    pub send: Duration,
    /// Between two pieces of a request body.
    pub body: Duration,
    /// Requests open at once on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Bytes of a request body. Above: 413. `None` is no limit.
    pub body_bytes: Option<u64>,
    /// How much of a request body variables look at.
    pub bodies: BodyLimits,
    /// Bytes of request bodies that are held for variables, over all requests. Above: 503.
    pub body_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            header_bytes: 32 * 1024,
            header_count: 100,
            uri_length: 8 * 1024,
            header: Duration::from_secs(10),
            idle: minute,
            send: minute,
            body: minute,
            http2_streams: 128,
            body_bytes: None,
            bodies: BodyLimits::default(),
            body_memory: 256 << 20,
        }
    }
}

/// How much of request bodies is kept so that another node can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySettings {
    /// Bytes of one body in memory.
    pub memory: usize,
    /// Bytes of one body in memory and on disk. A larger one is sent once.
    pub size: u64,
    /// Bytes on disk of all bodies together.
    pub total: u64,
    /// Where bodies lie on disk, in files without a name.
    pub folder: PathBuf,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self {
            memory: 64 * 1024,
            size: 64 * 1024 * 1024,
            total: 1024 * 1024 * 1024,
            folder: std::env::temp_dir(),
        }
    }
}

/// Static settings of requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `Server` field of every answer; `None` leaves what the node said.
    pub server: Option<HeaderValue>,
    /// Whether every answer carries `X-APISIX-Upstream-Status`, not only failures.
    pub show_upstream_status: bool,
    /// Whether failures tell their reason in the field `X-Weir-Reason`.
    pub show_reason: bool,
    /// Limits towards clients.
    pub limits: Limits,
    /// How paths are read.
    pub paths: PathRules,
    /// How much of request bodies is kept.
    pub replay: ReplaySettings,
    /// Whose word about the client's address is taken.
    pub real_ip: RealIp,
    /// Peers that may set `X-Forwarded-*`; `None` means no list.
    pub trusted_addresses: Option<Vec<IpNet>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Some(server_field(true)),
            show_upstream_status: false,
            show_reason: false,
            limits: Limits::default(),
            paths: PathRules::default(),
            replay: ReplaySettings::default(),
            real_ip: RealIp::default(),
            trusted_addresses: None,
        }
    }
}

/// The `Server` field, with or without version (`enable_server_tokens`).
#[must_use]
pub fn server_field(tokens: bool) -> HeaderValue {
    HeaderValue::from_static(if tokens { "APISIX/3.18.0" } else { "APISIX" })
}

/// Everything that is decided before the start.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Cleartext addresses, HTTP/1.1 and HTTP/2; port 0 lets the system choose.
    pub http: Vec<SocketAddr>,
    /// TLS addresses.
    pub https: Vec<SocketAddr>,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// Settings of requests.
    pub settings: Settings,
}

impl Default for GatewayConfig {
    /// No listener, one worker per core, no access log.
    fn default() -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            access_log: AccessLog::Off,
            settings: Settings::default(),
        }
    }
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (option `{option}`)")]
    Bind {
        /// Which option named it: `http` or `https`.
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
}

/// What was open when the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests that were cut off by the deadline.
    pub unfinished: u64,
}

/// The running proxy. Dropping it ends it at once; [`Gateway::drain`] ends it politely.
pub struct Gateway {
    addresses: Addresses,
    published: Arc<Published>,
    orders: watch::Sender<Order>,
    metrics: Vec<Arc<WorkerMetrics>>,
    checkers: Checkers,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: Mutex<Option<Writer>>,
    background: Option<Background>,
}

impl Gateway {
    /// Binds, then starts the workers. Until the first runtime is published, every request is
    /// answered 503. `living` is swept of state that no runtime uses any more.
    ///
    /// # Errors
    /// What could not be had; nothing is left running then.
    pub fn start(
        config: GatewayConfig,
        living: Living,
        runtime: Option<Arc<Runtime>>,
    ) -> Result<Self, StartError> {
        let workers = config.workers.get();
        let mut sockets = Sockets::new(workers);
        let addresses = Addresses {
            http: sockets.bind("http", &config.http, Scheme::Http)?,
            https: sockets.bind("https", &config.https, Scheme::Https)?,
        };
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
        background.spawn(sweep(living));
        let (ended, ended_receiver) = mpsc::channel(1);
        let mut gateway = Self {
            addresses,
            published,
            checkers,
            orders: watch::Sender::new(Order::Run),
            metrics: Vec::new(),
            ended: tokio::sync::Mutex::new(ended_receiver),
            threads: Mutex::default(),
            log: Mutex::new(log),
            background: Some(background),
        };
        if let Some(runtime) = runtime {
            gateway.publish(runtime);
        }
        gateway.start_workers(config.settings, sockets, &resolver, &ended)?;
        Ok(gateway)
    }

    fn start_workers(
        &mut self,
        settings: Settings,
        sockets: Sockets,
        resolver: &Resolver,
        ended: &mpsc::Sender<()>,
    ) -> Result<(), StartError> {
        let settings = Arc::new(settings);
        let Some(background) = &self.background else {
            return Ok(());
        };
        let replay = &settings.replay;
        let spills = Spills::new(
            background.handle().clone(),
            replay.folder.clone(),
            replay.total,
        );
        let bodies = Arc::new(Holding::new(settings.limits.body_memory));
        for (id, listeners) in sockets.by_worker.into_iter().enumerate() {
            let metrics = Arc::new(WorkerMetrics::default());
            self.metrics.push(Arc::clone(&metrics));
            let log = self.log.get_mut().unwrap_or_else(PoisonError::into_inner);
            let collector = log.as_ref().and_then(Writer::collector);
            let parts = Parts {
                id,
                settings: Arc::clone(&settings),
                published: Arc::clone(&self.published),
                resolver: resolver.clone(),
                spills: spills.clone(),
                bodies: Arc::clone(&bodies),
                metrics,
                log: collector,
            };
            let orders = self.orders.subscribe();
            let ended = ended.clone();
            let thread = std::thread::Builder::new()
                .name(format!("weir-worker-{id}"))
                .spawn(move || {
                    if let Err(error) = run::run(parts, listeners, orders) {
                        tracing::error!(%error, worker = id, "worker ended");
                    }
                    drop(ended);
                })
                .map_err(StartError::Thread)?;
            self.threads
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread);
        }
        Ok(())
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
        self.checkers.write_text(out);
    }

    fn log_dropped(&self) -> u64 {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().map_or(0, Writer::dropped)
    }

    /// Stops accepting, tells clients to go (`Connection: close`, GOAWAY), waits until open
    /// requests are answered or `limit` is over, and ends. Dropping the future does not take the
    /// order back.
    pub async fn drain(&self, limit: Duration) -> Drained {
        let now = Instant::now();
        let deadline = now
            .checked_add(limit)
            .unwrap_or(now + Duration::from_secs(3600));
        self.orders.send_if_modified(|order| {
            let first = *order == Order::Run;
            if first {
                *order = Order::Drain(deadline);
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

    fn join(&self) {
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("worker panicked");
            }
        }
        // The log ends after the last worker has handed over its lines.
        let log = self
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(log);
    }
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
    let mut interval = tokio::time::interval(SWEEP_LIVING);
    loop {
        interval.tick().await;
        living.sweep();
    }
}

/// Listening sockets, by worker.
struct Sockets {
    by_worker: Vec<Vec<Listener>>,
}

impl Sockets {
    fn new(workers: usize) -> Self {
        Self {
            by_worker: (0..workers).map(|_| Vec::new()).collect(),
        }
    }

    fn bind(
        &mut self,
        option: &'static str,
        addresses: &[SocketAddr],
        scheme: Scheme,
    ) -> Result<Vec<SocketAddr>, StartError> {
        let mut bound = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let (address, sockets) =
                listener::bind(address, self.by_worker.len()).map_err(|source| {
                    StartError::Bind {
                        option,
                        address,
                        source,
                    }
                })?;
            bound.push(address);
            for (listeners, socket) in self.by_worker.iter_mut().zip(sockets) {
                listeners.push(Listener { socket, scheme });
            }
        }
        Ok(bound)
    }
}
