//! The addresses at which a node that was picked may be reached.

use std::net::SocketAddr;
use std::sync::Arc;

use weir_plugin_api::NodeAddress;

use super::resolve::Source;
use super::runtime::Picked;
use crate::worker::Worker;

/// Addresses of the node, the one to take first; none when its name does not resolve. A name whose
/// addresses are not nodes yet is spread over them.
pub async fn addresses_of(
    worker: &Worker,
    picked: &Picked,
    source: &Arc<Source>,
) -> Vec<NodeAddress> {
    let host = &picked.host;
    if let Some(path) = host.strip_prefix("unix:") {
        return vec![NodeAddress::Unix(Arc::from(path))];
    }
    if let Some(address) = picked.address {
        return vec![SocketAddr::new(address, picked.port).into()];
    }
    let addresses = worker.names.resolve(host, source).await;
    let start = match addresses.len() {
        0 | 1 => 0,
        count => usize::try_from(worker.random() % (count as u64)).unwrap_or(0),
    };
    let rotated = addresses.iter().cycle().skip(start).take(addresses.len());
    rotated
        .map(|address| SocketAddr::new(*address, picked.port).into())
        .collect()
}
