//! What openraft sends to other members.

use std::future::Future;
use std::time::Duration;

use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use tonic::{Code, Response, Status};
use weir_proto::raft as wire;

use super::channels::{Channels, Client, Lane};
use super::{CHUNK_BYTES, decode, encode, header};
use crate::snapshot_file::digest;
use crate::types::{Peer, PeerId, Snapshot, SnapshotData, TypeConfig, Vote};

/// How long entries may take: openraft itself sets no limit.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// What large entries get beyond it, for each MiB: one that is given up is sent again from its
/// beginning, and would never arrive.
const APPEND_PER_MIB: Duration = Duration::from_secs(1);

/// Makes a [`PeerLink`] per member and lane.
pub(crate) struct Network {
    pub(crate) me: PeerId,
    pub(crate) cluster_id: String,
    pub(crate) channels: Channels,
}

/// One member as openraft talks to it.
pub(crate) struct PeerLink {
    me: PeerId,
    target: PeerId,
    cluster_id: String,
    channels: Channels,
    lane: Lane,
}

impl Network {
    fn link(&self, target: PeerId, peer: &Peer, lane: Lane) -> PeerLink {
        self.channels.locate(target, &peer.peer_address);
        PeerLink {
            me: self.me,
            target,
            cluster_id: self.cluster_id.clone(),
            channels: self.channels.clone(),
            lane,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = PeerLink;

    /// Also used for votes and leader transfer; these are rare and small, and a stuck append
    /// means that there is no leader whom it could disturb.
    async fn new_client(&mut self, target: PeerId, node: &Peer) -> PeerLink {
        self.link(target, node, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, target: PeerId, node: &Peer) -> PeerLink {
        self.link(target, node, Lane::Control)
    }

    async fn new_snapshot_client(&mut self, target: PeerId, node: &Peer) -> PeerLink {
        self.link(target, node, Lane::Snapshot)
    }
}

impl PeerLink {
    fn client(&self) -> Result<Client, RPCError<TypeConfig>> {
        self.channels
            .member(self.target, self.lane)
            .map_err(|error| RPCError::Unreachable(Unreachable::new(&AnyError::error(error))))
    }

    fn header(&self) -> Option<wire::Header> {
        header(&self.cluster_id, self.target)
    }

    async fn call<T>(
        &self,
        action: RPCTypes,
        timeout: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, RPCError<TypeConfig>> {
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failed(action, timeout, &status)),
            Err(_) => Err(self.timed_out(action, timeout)),
        }
    }

    fn timed_out(&self, action: RPCTypes, timeout: Duration) -> RPCError<TypeConfig> {
        RPCError::Timeout(Timeout {
            action,
            id: self.me,
            target: self.target,
            timeout,
        })
    }

    /// A status by what to do about it: wait a little, or try again at once.
    fn failed(&self, action: RPCTypes, timeout: Duration, status: &Status) -> RPCError<TypeConfig> {
        match status.code() {
            Code::DeadlineExceeded => self.timed_out(action, timeout),
            Code::Unavailable | Code::FailedPrecondition | Code::Unimplemented => {
                RPCError::Unreachable(Unreachable::new(status))
            }
            _ => RPCError::Network(NetworkError::new(status)),
        }
    }
}

fn broken(status: &Status) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(status))
}

impl RaftNetworkV2<TypeConfig> for PeerLink {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let payload = encode(&rpc).map_err(|status| broken(&status))?;
        let timeout = if self.lane == Lane::Control {
            option.hard_ttl()
        } else {
            let mebibytes = u32::try_from(payload.len() >> 20).unwrap_or(u32::MAX);
            APPEND_TIMEOUT.saturating_add(APPEND_PER_MIB.saturating_mul(mebibytes))
        };
        let request = wire::AppendRequest {
            header: self.header(),
            payload,
        };
        let mut client = self.client()?;
        let answer = self
            .call(RPCTypes::AppendEntries, timeout, client.append(request))
            .await?;
        decode("append answer", &answer.payload).map_err(|status| broken(&status))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(rpc, option, false).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(rpc, option, true).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let metadata = encode(&(vote, snapshot.meta)).map_err(|status| broken(&status))?;
        let sha256 = digest(&snapshot.snapshot);
        let chunks = chunks(self.header(), metadata, snapshot.snapshot, sha256);
        let mut client = self.client()?;
        let call = self.call(
            RPCTypes::InstallSnapshot,
            option.hard_ttl(),
            client.install_snapshot(tokio_stream::iter(chunks)),
        );
        let answer = tokio::select! {
            answer = call => answer?,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        decode("snapshot answer", &answer.payload).map_err(|status| broken(&status).into())
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = wire::TransferLeaderRequest {
            header: self.header(),
            payload: encode(&req).map_err(|status| broken(&status))?,
        };
        let mut client = self.client()?;
        let call = client.transfer_leader(request);
        let answer = self
            .call(RPCTypes::TransferLeader, option.hard_ttl(), call)
            .await?;
        decode("transfer answer", &answer.payload).map_err(|status| broken(&status))
    }
}

impl PeerLink {
    async fn ask_vote(
        &self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
        pre_vote: bool,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = wire::VoteRequest {
            header: self.header(),
            payload: encode(&rpc).map_err(|status| broken(&status))?,
            pre_vote,
        };
        let mut client = self.client()?;
        let answer = self
            .call(RPCTypes::Vote, option.hard_ttl(), client.vote(request))
            .await?;
        decode("vote answer", &answer.payload).map_err(|status| broken(&status))
    }
}

/// The messages of one snapshot: the first has the metadata, the last the checksum.
fn chunks(
    header: Option<wire::Header>,
    metadata: Vec<u8>,
    data: SnapshotData,
    sha256: String,
) -> impl Iterator<Item = wire::InstallSnapshotRequest> + Send + 'static {
    let first = wire::InstallSnapshotRequest {
        header,
        metadata,
        ..Default::default()
    };
    let last = wire::InstallSnapshotRequest {
        sha256,
        ..Default::default()
    };
    let parts = data.len().div_ceil(CHUNK_BYTES);
    let middle = (0..parts).map(move |part| {
        let from = part * CHUNK_BYTES;
        let to = (from + CHUNK_BYTES).min(data.len());
        wire::InstallSnapshotRequest {
            chunk: data.get(from..to).unwrap_or_default().to_vec(),
            ..Default::default()
        }
    });
    std::iter::once(first)
        .chain(middle)
        .chain(std::iter::once(last))
}
