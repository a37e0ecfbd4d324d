//! The proxy as its owner sees it: start, publish, drain, look at the numbers.

mod config;
mod limits;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
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
use crate::upstream::health::checkers::Checkers;
use crate::upstream::resolve::Resolver;
use crate::upstream::resolve::follow::follow;
use crate::worker::published::Published;
use crate::worker::run::{Entrance, Order};
use crate::worker::{Parts, run};

pub use config::{GatewayConfig, ReplaySettings, Settings, server_field};
pub use limits::{Cap, Limits};

use sockets::Sockets;

/// How often all state that no runtime holds any more is looked for.
const SWEEP_LIVING: Duration = Duration::from_secs(10);

/// Options that name listeners for PROXY headers.
const RELAYED_HTTP: &str = "apisix.proxy_protocol.listen_http_port";
const RELAYED_HTTPS: &str = "apisix.proxy_protocol.listen_https_port";

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
    admission: Arc<Admission>,
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
        panics::watch();
        let workers = config.workers.get();
        let descriptors = descriptors::raise();
        let admission = Admission::new(&config.settings, workers, descriptors, memory::machine());
        let admission = Arc::new(admission);
        let mut sockets = Sockets::new(workers);
        let mut bind = |option, addresses: &[SocketAddr], scheme, relayed| {
            sockets.bind(option, addresses, Entrance { scheme, relayed })
        };
        let (http, https) = (Scheme::Http, Scheme::Https);
        let addresses = Addresses {
            http: bind("http", &config.http, http, false)?,
            https: bind("https", &config.https, https, false)?,
            relayed_http: bind(RELAYED_HTTP, &config.relayed_http, http, true)?,
            relayed_https: bind(RELAYED_HTTPS, &config.relayed_https, https, true)?,
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
            admission,
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
        background.spawn(memory::watch(Arc::clone(&self.admission)));
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
                admission: Arc::clone(&self.admission),
                metrics,
                log: collector,
            };
            let orders = self.orders.subscribe();
            let ended = ended.clone();
            let thread = std::thread::Builder::new()
                .name(format!("weir-worker-{id}"))
                .spawn(move || {
                    run::run(&parts, listeners, &orders);
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
        self.admission.write_text(out);
        panics::write_text(out);
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
    let mut interval = tokio::time::interval(SWEEP_LIVING / SHELVES as u32);
    loop {
        interval.tick().await;
        living.sweep_next();
    }
}
