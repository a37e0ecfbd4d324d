//! A stream route, compiled with its service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::Revision;
use weir_plugin_api::RouteInfo;

use super::chain::Chain;
use super::matcher::Matcher;
use crate::runtime::Target;

/// Everything that a stream needs once its route is known.
pub struct CompiledStreamRoute {
    /// Facts for logs and variables.
    pub info: Arc<RouteInfo>,
    /// What it asks of a connection.
    pub matcher: Matcher,
    /// Revision that created it: the older one wins where nothing else decides.
    pub created: Revision,
    /// Its plugins.
    pub chain: Chain,
    /// Where it leads.
    pub target: Target,
    /// What went over it so far.
    pub totals: Arc<Totals>,
}

impl CompiledStreamRoute {
    /// What it does, as text.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{:?} {:?} created {} chain {:?} -> {}",
            self.info,
            self.matcher,
            self.created,
            self.chain.describe(),
            self.target.describe(),
        )
    }
}

/// Counters of one stream route; they outlive runtimes.
#[derive(Debug, Default)]
pub struct Totals {
    /// Streams begun.
    pub streams: AtomicU64,
    /// Streams that are open.
    pub open: AtomicU64,
    /// Bytes from clients.
    pub received: AtomicU64,
    /// Bytes to clients.
    pub sent: AtomicU64,
    /// Streams that failed.
    pub failed: AtomicU64,
}

impl Totals {
    /// A stream begins.
    pub(super) fn begin(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream is over.
    pub(super) fn end(&self, received: u64, sent: u64, failed: bool) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}
