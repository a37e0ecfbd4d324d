//! Connections to members, one per address and lane, made once and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use weir_proto::raft::raft_service_client::RaftServiceClient;

use super::MESSAGE_BYTES;
use crate::types::PeerId;

/// Kinds of traffic that must not wait for each other: large appends and snapshots would otherwise
/// hold up heartbeats on the same connection, and a healthy leader would be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Heartbeats and votes.
    Control,
    /// Entries.
    Append,
    /// Snapshots.
    Snapshot,
    /// What callers wait for: forwarded writes, reads, membership.
    Request,
}

/// A client of one member.
pub(crate) type Client = RaftServiceClient<Channel>;

/// The connections of one node; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels {
    open: Arc<Mutex<BTreeMap<(String, Lane), Client>>>,
    /// Where members are now. Openraft keeps a link when only the address of a member changes.
    addresses: Arc<Mutex<BTreeMap<PeerId, String>>>,
}

impl Channels {
    /// Remembers where a member is.
    pub(crate) fn locate(&self, id: PeerId, address: &str) {
        let mut addresses = lock(&self.addresses);
        if addresses.get(&id).is_none_or(|known| known != address) {
            addresses.insert(id, address.to_owned());
        }
    }

    /// A client for the member `id`, wherever it is now.
    ///
    /// # Errors
    /// When its address is not known, or is not `host:port`.
    pub(crate) fn member(&self, id: PeerId, lane: Lane) -> Result<Client, String> {
        let address = lock(&self.addresses).get(&id).cloned();
        let address = address.ok_or_else(|| format!("the address of member {id} is not known"))?;
        self.client(&address, lane)
    }

    /// A client for `address`; connects when it is first used, and again after a failure.
    ///
    /// # Errors
    /// When the address is not `host:port`.
    pub(crate) fn client(&self, address: &str, lane: Lane) -> Result<Client, String> {
        let mut open = lock(&self.open);
        if let Some(client) = open.get(&(address.to_owned(), lane)) {
            return Ok(client.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| format!("expected host:port, got {address:?}: {error}"))?
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true)
            // Finds members that vanished without a word.
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(2))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
        let client = RaftServiceClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        open.insert((address.to_owned(), lane), client.clone());
        Ok(client)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a call failed before anything was sent: then it is safe to try again.
pub(crate) fn never_sent(status: &tonic::Status) -> bool {
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}
