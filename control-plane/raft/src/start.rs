//! How a node starts: its directory, its place in a cluster, its parts.

use std::fs::{File, TryLockError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use openraft::{Config, SnapshotPolicy};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use weir_store::Command;

use crate::contact::Contact;
use crate::identity::{Identity, Place};
use crate::log_store::LogStore;
use crate::membership::join_request;
use crate::metrics::Metrics;
use crate::network::channels::{Channels, Lane};
use crate::network::client::Network;
use crate::network::describe;
use crate::network::server::{PeerService, service};
use crate::node::{Leader, Node};
use crate::options::{Options, Start, Timing};
use crate::read;
use crate::snapshot_file::SnapshotDirectory;
use crate::state_machine::{Publisher, StateMachine};
use crate::types::{Peer, PeerId, Raft};
use crate::watchdog;

/// How long a snapshot may take to arrive.
const SNAPSHOT_TIMEOUT_MS: u64 = 120_000;
/// Between two looks of the keeper.
const KEEPER: Duration = Duration::from_millis(250);
/// Between two attempts to join.
const JOIN_PAUSE: Duration = Duration::from_millis(300);
/// How long a refusal to join is tried again: a lost member is only noticed after a while.
const JOIN_REFUSED: Duration = Duration::from_secs(20);
/// How long a cluster of one may take until it leads itself.
const ALONE: Duration = Duration::from_secs(15);

/// A started node and what must be ended with it.
pub(crate) struct Started {
    pub(crate) node: Arc<Node>,
    pub(crate) tasks: JoinSet<()>,
    /// Held as long as the node runs: nobody else writes to its directory.
    pub(crate) lock: File,
}

pub(crate) async fn start(options: Options, timing: Timing) -> anyhow::Result<Started> {
    anyhow::ensure!(options.node_id != 0, "node_id: must be 1 or more, got 0");
    let directory = &options.data_dir;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("data directory {}", directory.display()))?;
    let lock = lock(&options)?;
    let metrics = Arc::new(Metrics::default());
    let opened = LogStore::open(directory, Arc::clone(&metrics))
        .await
        .with_context(|| format!("raft.db in {}", directory.display()))?;
    let log_store = opened.store;
    let mut identity = match opened.identity {
        Some(identity) => identity,
        None => {
            let identity = Identity {
                node_id: options.node_id,
                incarnation: uuid::Uuid::new_v4().to_string(),
                place: None,
            };
            log_store.save_identity(identity.clone()).await?;
            identity
        }
    };
    anyhow::ensure!(
        identity.node_id == options.node_id,
        "data directory {} belongs to node {}, not to node {}",
        directory.display(),
        identity.node_id,
        options.node_id
    );

    let listener = TcpListener::bind(options.peer_listen)
        .await
        .with_context(|| format!("cannot listen for members on {}", options.peer_listen))?;
    let peer = Peer {
        peer_address: with_port(&options.peer_address, listener.local_addr()?.port()),
        grpc_address: options.grpc_address.clone(),
        incarnation: identity.incarnation.clone(),
        learner: false,
    };
    let stop = CancellationToken::new();
    let stop_on_failure = stop.clone().drop_guard();
    let running = Arc::new(OnceLock::new());
    let (adopted, mut adoption) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    let peers = PeerService {
        node_id: options.node_id,
        incarnation: identity.incarnation.clone(),
        running: Arc::clone(&running),
        adopted,
    };
    tasks.spawn(serve(listener, peers, stop.clone()));

    let channels = Channels::default();
    let place = match identity.place.clone() {
        Some(place) => place,
        None => {
            let place = find_place(&options, &peer, &channels, &mut adoption).await?;
            identity.place = Some(place.clone());
            log_store.save_identity(identity.clone()).await?;
            place
        }
    };
    let me = identity.peer_id().unwrap_or(PeerId {
        node: options.node_id,
        epoch: place.epoch,
    });
    tracing::info!(member = %me, cluster = %place.cluster_id, address = %peer.peer_address, "starting");

    let publisher = Publisher::new();
    let snapshots = SnapshotDirectory::open(directory).context("snapshot directory")?;
    let state_machine = StateMachine::new(snapshots, publisher.clone(), Arc::clone(&metrics));
    let network = Network {
        me,
        cluster_id: place.cluster_id.clone(),
        channels: channels.clone(),
    };
    let config = Arc::new(config(&place.cluster_id, options.snapshot_every, timing)?);
    let raft = Raft::new(me, config, network, log_store.clone(), state_machine)
        .await
        .context("the log and the snapshots do not make a state")?;
    let (readers, read_queue) = mpsc::channel(read::QUEUE);
    let node = Arc::new(Node {
        raft,
        me,
        peer,
        cluster_id: place.cluster_id,
        log_store,
        publisher,
        channels,
        metrics,
        timing,
        deadline: options.deadline,
        readers,
        membership: Mutex::new(()),
        stop,
        contact: Contact::new(),
        failure: watch::Sender::new(None),
    });
    if place.epoch == 0 && !node.raft.is_initialized().await? {
        let members = std::collections::BTreeMap::from([(me, node.peer.clone())]);
        node.raft.initialize(members).await?;
    }
    // Only now: before, there was nothing to answer with.
    let _ = running.set(Arc::clone(&node));
    tasks.spawn(read::run(Arc::clone(&node), read_queue));
    tasks.spawn(keep(Arc::clone(&node)));
    tasks.spawn(watchdog::run(Arc::clone(&node)));
    come_up(&node).await?;
    stop_on_failure.disarm();
    Ok(Started { node, tasks, lock })
}

/// Two processes on one directory would tear the log apart.
fn lock(options: &Options) -> anyhow::Result<File> {
    let path = options.data_dir.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "data directory {} is used by another process",
            options.data_dir.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context(path.display().to_string()),
    }
}

/// `host:0` with the port that was bound.
fn with_port(address: &str, port: u16) -> String {
    match address.rsplit_once(':') {
        Some((host, "0")) => format!("{host}:{port}"),
        _ => address.to_owned(),
    }
}

fn config(cluster_id: &str, snapshot_every: u64, timing: Timing) -> anyhow::Result<Config> {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let snapshot_every = snapshot_every.max(1);
    let config = Config {
        cluster_name: cluster_id.to_owned(),
        heartbeat_interval: millis(timing.heartbeat),
        election_timeout_min: millis(timing.election_min),
        election_timeout_max: millis(timing.election_max),
        // A node that was away does not unseat a healthy leader.
        enable_pre_vote: Some(true),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshot_every),
        // A follower that was away for a moment catches up by entries.
        max_in_snapshot_log_to_keep: snapshot_every / 2,
        replication_lag_threshold: snapshot_every.saturating_mul(2),
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        ..Config::default()
    };
    Ok(config.validate()?)
}

async fn serve(listener: TcpListener, peers: PeerService, stop: CancellationToken) {
    let served = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .add_service(service(peers))
        .serve_with_incoming_shutdown(
            // Without it small answers wait 40 ms for the acknowledgement of the bytes before.
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.clone().cancelled_owned(),
        );
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::error!(%error, "the peer service ended");
            }
        }
        // Open connections of members would keep a graceful end waiting for ever.
        () = async { stop.cancelled().await; tokio::time::sleep(Duration::from_millis(200)).await } => {}
    }
}

async fn keep(node: Arc<Node>) {
    loop {
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = tokio::time::sleep(KEEPER) => {}
        }
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = Box::pin(node.keep()) => {}
        }
    }
}

/// The place of a node that has none yet.
async fn find_place(
    options: &Options,
    peer: &Peer,
    channels: &Channels,
    adoption: &mut mpsc::Receiver<Place>,
) -> anyhow::Result<Place> {
    let adopted = async {
        match adoption.recv().await {
            Some(place) => Ok(place),
            None => std::future::pending().await,
        }
    };
    match &options.start {
        Start::Bootstrap => Ok(Place {
            cluster_id: uuid::Uuid::new_v4().to_string(),
            epoch: 0,
        }),
        Start::Join(member) => {
            tokio::select! {
                place = join(options.node_id, peer, member, channels) => place,
                place = adopted => place,
            }
        }
        Start::Resume => {
            tracing::info!(
                node_id = options.node_id,
                address = %peer.peer_address,
                "waiting to be added to a cluster"
            );
            adopted.await
        }
    }
}

async fn join(
    node_id: u64,
    peer: &Peer,
    member: &str,
    channels: &Channels,
) -> anyhow::Result<Place> {
    let started = Instant::now();
    let mut client = channels
        .client(member, Lane::Request)
        .map_err(anyhow::Error::msg)?;
    let mut said = None;
    loop {
        let status = match client.join(join_request(node_id, peer, "")).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                return Ok(Place {
                    cluster_id: answer.cluster_id,
                    epoch: answer.epoch,
                });
            }
            Err(status) => status,
        };
        let refused = status.code() == tonic::Code::FailedPrecondition;
        anyhow::ensure!(
            !refused || started.elapsed() < JOIN_REFUSED,
            "member {member} refused: {}",
            status.message()
        );
        if said.as_deref() != Some(status.message()) {
            tracing::warn!(%member, reason = %describe(&status), "cannot join yet, trying again");
            said = Some(status.message().to_owned());
        }
        tokio::time::sleep(JOIN_PAUSE).await;
    }
}

/// A cluster of one serves what it has only once it leads itself; a larger one may be without a
/// majority for long, and its members start anyway.
async fn come_up(node: &Arc<Node>) -> anyhow::Result<()> {
    // Not from the metrics, which come a moment later.
    let voters: Vec<PeerId> = node
        .raft
        .with_raft_state(|state| state.membership_state.effective().voter_ids().collect())
        .await?;
    if voters != [node.me] {
        return Ok(());
    }
    let until = Instant::now() + ALONE;
    while !matches!(node.leader(), Leader::Me) {
        anyhow::ensure!(
            node.pause(until).await,
            "node {} did not become the leader of its cluster of one in {} s",
            node.me.node,
            ALONE.as_secs()
        );
    }
    let state = node.read().await?;
    if state.cluster_id.is_empty() {
        let cluster_id = node.cluster_id.clone();
        node.write(Command::Bootstrap { cluster_id }).await?;
    }
    Ok(())
}
