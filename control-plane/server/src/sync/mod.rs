//! Streams to agents: who subscribes gets what changed since the revision that it has, and
//! everything when that is not known any more.
//!
//! ```text
//! raft::Handle::watch ─▶ session (one task a stream) ─▶ channel of a few chunks ─▶ gRPC
//!                          │  plan: nothing, delta, full or wait      (subscription.rs, pure)
//!                          │  encoded once a revision pair, shared    (encode.rs)
//!                          │  full sets admitted a few at a time      (pace.rs)
//! registry::Table ───────▶ ├▶ feed: endpoint sets, beside the revisions (feed.rs)
//!                          ├▶ fleet: acknowledged, refused, last seen (fleet/, on disk)
//!                          └▶ health: what the agent sees of its nodes (crate::health, in memory)
//! ```
//!
//! The contract:
//! - One response is outstanding per stream. What is committed meanwhile is folded into the next
//!   one, so a slow agent holds one encoded response, shared with others, and nothing grows.
//! - A revision travels in chunks of one nonce; it is complete with the chunk that says `last`.
//! - A NACK counts as an acknowledgement: the revision is not sent again.
//! - An agent of another cluster, or one that claims a revision that this node does not reach in a
//!   few seconds, is sent a full set; the agent decides whether it takes an older one.
//! - Endpoint sets have no revision. The agent names the hashes that it has, and gets what differs,
//!   again one response at a time.
//! - The hash that an agent reports is compared with ours at that revision; another hash means a
//!   full set, a warning and a count.
//!
//! Not its business: which resources are valid (`weir-model`), what is in a delta (`weir-store`).

mod codec;
mod counters;
mod encode;
mod feed;
pub(crate) mod fleet;
mod pace;
mod server;
mod session;
mod settings;
mod subscription;

use std::sync::Arc;

use tonic::service::Routes;

use crate::Shared;

pub(crate) use counters::Counters;
pub(crate) use server::SyncService;
pub(crate) use settings::Settings;

/// Adds the sync service to `routes`.
pub(crate) fn mount(shared: &Arc<Shared>, routes: Routes) -> Routes {
    let service = SyncService::new(server::Parts {
        raft: shared.raft.clone(),
        table: Arc::clone(&shared.discovery.table),
        fleet: Arc::clone(&shared.agents),
        health: Arc::clone(&shared.health),
        node_id: shared.config.node_id,
        counters: shared.metrics.sync.clone(),
        settings: Settings::default(),
        shutdown: shared.shutdown.clone(),
    });
    routes.add_service(service)
}
