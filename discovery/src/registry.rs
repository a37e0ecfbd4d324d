//! What every registry offers.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use weir_model::endpoint::{EndpointSet, Lookup};

use crate::Error;

/// One configured registry: addresses, credentials, connections.
///
/// An implementation holds its client, its parser (a pure function from bytes to endpoints) and its
/// way of following changes: blocking queries, pushes, or polling. It does not retry beyond trying
/// its other servers, does not compare or coalesce, and starts no work that outlives its watches.
pub trait Registry: Send + Sync {
    /// Follows the service of `lookup` and reports its whole set at once, on every change, and from
    /// time to time when nothing changed, so that the age of what is known stays small.
    ///
    /// Ends only with an error, which never means "no endpoints"; the caller tries again after a
    /// pause. An empty set is reported only when the registry says so itself and the credentials
    /// may see the service. Dropping the future ends the watch.
    fn watch<'a>(
        &'a self,
        lookup: &'a Lookup,
        report: Reporter,
    ) -> BoxFuture<'a, Result<Infallible, Error>>;
}

/// What a registry said about one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The endpoints that may get traffic.
    pub set: Arc<EndpointSet>,
    /// Which state of the registry this is, in its own terms: an index, a revision, a checksum.
    pub index: String,
    /// What an operator should know about it, such as why it is empty.
    pub note: Option<String>,
}

/// Takes what a watch sees; the newest replaces the one before.
#[derive(Debug, Clone)]
pub struct Reporter {
    sender: Arc<watch::Sender<Option<Seen>>>,
}

/// Hands out what a watch has seen.
#[derive(Debug)]
pub struct Reports {
    receiver: watch::Receiver<Option<Seen>>,
}

/// Both ends of a watch's reports.
#[must_use]
pub fn reports() -> (Reporter, Reports) {
    let (sender, receiver) = watch::channel(None);
    let reporter = Reporter {
        sender: Arc::new(sender),
    };
    (reporter, Reports { receiver })
}

impl Reporter {
    /// Reports what was seen.
    pub fn report(&self, seen: Seen) {
        self.sender.send_replace(Some(seen));
    }
}

impl Reports {
    /// The next report; reports in between that nobody waited for are skipped. Waits for ever when
    /// the watch is gone. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Seen {
        loop {
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(seen) = self.receiver.borrow_and_update().clone() {
                return seen;
            }
        }
    }
}
