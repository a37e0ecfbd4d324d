//! Builds a control node step by step and takes it down in reverse order.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::server::TcpIncoming;
use weir_net::serve;
use weir_raft::{Member, Role};

use crate::admin::{self, auth};
use crate::config::{Addresses, Config};
use crate::metrics::Metrics;
use crate::registry::Discovery;
use crate::sync::fleet::Fleet;
use crate::{Shared, expiry, rpc, status, sync, telemetry, tickets};

/// A running control node.
pub struct Node {
    shared: Arc<Shared>,
    addresses: Addresses,
    admin: Server,
    grpc: Server,
    fleet: Server,
    expiry: Server,
    tickets: Server,
    discovery: Server,
    status: Server,
}

/// A task with its own stop signal. It ends when it is dropped.
struct Server {
    name: &'static str,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// Ports bound before anything is started, so that a taken port costs nothing.
struct Listeners {
    admin: TcpListener,
    grpc: TcpListener,
    status: TcpListener,
}

impl Node {
    /// Starts every part; see [`crate::start`].
    pub(crate) async fn start(config: Config) -> anyhow::Result<Self> {
        telemetry::init(&config.log_filter, config.log_format).map_err(anyhow::Error::msg)?;
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("data directory {}", config.data_dir.display()))?;
        let keys = auth::load(&config.keys)?;
        let listeners = bind(&config.listen).await?;
        let grpc_address = listeners.grpc.local_addr()?;
        let status_address = listeners.status.local_addr()?;
        // First: a node may wait for long until it has its place in a cluster.
        let running = admin::Running::default();
        let router = status::router(config.node_id, Arc::clone(&running));
        let status = serve_http("status", listeners.status, router);
        let admin_address = listeners.admin.local_addr()?;
        let router = admin::router(Arc::clone(&running));
        let admin = serve_http("admin", listeners.admin, router);
        let raft = start_raft(&config, grpc_address).await?;
        let agents = Fleet::open(&config.data_dir, config.node_id).context("table of agents")?;
        let addresses = Addresses {
            admin: admin_address,
            grpc: grpc_address,
            peer: bound_peer(&raft, config.listen.peer),
            status: status_address,
        };
        let metrics = Metrics::new();
        let discovery = Discovery::open(
            &config.data_dir,
            config.registries.clone(),
            metrics.discovery.clone(),
        )
        .context("endpoint table")?;
        let shared = Arc::new(Shared {
            config,
            raft,
            agents: Arc::new(agents),
            discovery: Arc::new(discovery),
            health: Arc::default(),
            catalog: weir_plugins::Builtin,
            explainer: Arc::default(),
            keys,
            metrics,
            shutdown: CancellationToken::new(),
        });
        let node = Self {
            status,
            expiry: Server::spawn("expiry", |stop| {
                expiry::run(shared.raft.clone(), Shared::now_ms, stop)
            }),
            tickets: Server::spawn("tickets", |stop| {
                tickets::run(shared.raft.clone(), Shared::now_ms, stop)
            }),
            discovery: Server::spawn("discovery", |stop| {
                let (discovery, raft) = (Arc::clone(&shared.discovery), shared.raft.clone());
                async move { discovery.run(raft, stop).await }
            }),
            fleet: Server::spawn("fleet", |stop| {
                let agents = Arc::clone(&shared.agents);
                async move { agents.run(stop).await }
            }),
            grpc: serve_grpc(listeners.grpc, &shared),
            admin,
            addresses,
            shared,
        };
        // Nobody else sets it.
        let _ = running.set(Arc::clone(&node.shared));
        tracing::info!(
            node_id = node.shared.config.node_id,
            admin = %addresses.admin,
            grpc = %addresses.grpc,
            peer = %addresses.peer,
            status = %addresses.status,
            "control node started"
        );
        Ok(node)
    }

    /// Where the node listens; ports given as 0 are the bound ones.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// File with the admin key; `None` when the key was given directly or none is needed.
    #[must_use]
    pub fn admin_key_file(&self) -> Option<&std::path::Path> {
        let keys = &self.shared.config.keys;
        (keys.required && keys.admin.is_none()).then_some(&keys.admin_file)
    }

    /// Waits until this node cannot go on, and tells why. It must be shut down then.
    pub async fn failed(&self) -> String {
        self.shared.raft.failed().await
    }

    /// Stops every part, the last started first. Each has the configured time, then it is ended.
    pub async fn shutdown(self) {
        let deadline = self.shared.config.shutdown_timeout;
        // Ends streams and watches, which would otherwise keep the gRPC server open.
        self.shared.shutdown.cancel();
        within("leadership", deadline, self.hand_over()).await;
        self.admin.shutdown(deadline).await;
        self.grpc.shutdown(deadline).await;
        self.discovery.shutdown(deadline).await;
        self.tickets.shutdown(deadline).await;
        self.expiry.shutdown(deadline).await;
        self.fleet.shutdown(deadline).await;
        within("raft", deadline, self.shared.raft.shutdown()).await;
        self.status.shutdown(deadline).await;
        tracing::info!("control node stopped");
    }

    /// Lets another voter lead, so that writes need not wait until this node is missed.
    async fn hand_over(&self) {
        let raft = &self.shared.raft;
        let status = raft.status();
        let others = |member: &Member| member.voter && member.node_id != status.node_id;
        if status.role != Role::Leader || !status.members.iter().any(others) {
            return;
        }
        match raft.transfer_leader(None).await {
            Ok(leader) => tracing::info!(leader, "leadership handed over"),
            Err(error) => tracing::warn!(%error, "leadership not handed over"),
        }
    }
}

async fn bind(listen: &Addresses) -> anyhow::Result<Listeners> {
    Ok(Listeners {
        admin: bind_one("admin", listen.admin).await?,
        grpc: bind_one("grpc", listen.grpc).await?,
        status: bind_one("status", listen.status).await?,
    })
}

async fn bind_one(option: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{option}: cannot listen on {address}"))
}

async fn start_raft(config: &Config, grpc: SocketAddr) -> anyhow::Result<weir_raft::Handle> {
    let grpc_address = match config.listen.grpc.port() {
        0 => with_port(&config.advertise_grpc, grpc.port()),
        _ => config.advertise_grpc.clone(),
    };
    let options = weir_raft::Options {
        node_id: config.node_id,
        data_dir: config.data_dir.clone(),
        peer_listen: config.listen.peer,
        peer_address: config.advertise_peer.clone(),
        grpc_address,
        start: config.start.clone(),
        snapshot_every: config.snapshot_every,
        deadline: config.deadline,
    };
    weir_raft::Handle::start(options)
        .await
        .with_context(|| format!("peer: raft on {}", config.listen.peer))
}

/// `host:0` with the port that was bound.
fn with_port(address: &str, port: u16) -> String {
    match address.rsplit_once(':') {
        Some((host, "0")) => format!("{host}:{port}"),
        _ => address.to_owned(),
    }
}

/// The port that consensus bound, which it tells as its own member address.
fn bound_peer(raft: &weir_raft::Handle, listen: SocketAddr) -> SocketAddr {
    let status = raft.status();
    let port = status
        .members
        .iter()
        .find(|member| member.node_id == status.node_id)
        .and_then(|member| member.peer_address.rsplit_once(':')?.1.parse().ok());
    match (listen.port(), port) {
        (0, Some(port)) => SocketAddr::new(listen.ip(), port),
        _ => listen,
    }
}

fn serve_http(name: &'static str, listener: TcpListener, router: axum::Router) -> Server {
    Server::spawn(name, |stop| {
        serve::serve(listener, router, serve::Limits::default(), stop)
    })
}

fn serve_grpc(listener: TcpListener, shared: &Arc<Shared>) -> Server {
    let routes = sync::mount(shared, rpc::services(shared));
    Server::spawn("grpc", |stop| async move {
        let served = tonic::transport::Server::builder()
            // Finds peers that vanished without a word, so that their sessions end.
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_routes(routes)
            // Small messages must not wait for the acknowledgement of the ones before.
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                stop.cancelled_owned(),
            );
        if let Err(error) = served.await {
            tracing::error!(server = "grpc", %error, "server ended");
        }
    })
}

impl Server {
    fn spawn<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(run(stop.clone())));
        Self { name, stop, task }
    }

    async fn shutdown(self, deadline: Duration) {
        self.stop.cancel();
        let mut task = self.task;
        within(self.name, deadline, async {
            // A task that panicked has said so already.
            let _ = (&mut task).await;
        })
        .await;
    }
}

/// Gives a step of the shutdown its time.
async fn within(step: &'static str, deadline: Duration, work: impl Future<Output = ()>) {
    if tokio::time::timeout(deadline, work).await.is_err() {
        tracing::warn!(step, ?deadline, "did not stop in time");
    }
}
