//! Connections to nodes, counted over all workers of this agent: at most so many at once, and at
//! most so many requests that wait for one. What has no limit is not counted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::select_all;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use weir_model::Key;
use weir_model::upstream::{Limits, Upstream};
use weir_plugin_api::Living;

use super::load::Full;

/// The connections to something: a node, or all nodes of an upstream.
#[derive(Debug, Default)]
pub struct Seats {
    taken: AtomicU32,
    /// Requests that wait for one.
    waiting: AtomicU32,
    freed: Notify,
}

impl Seats {
    fn is_free(&self, limit: Option<u32>) -> bool {
        limit.is_none_or(|limit| self.taken.load(Ordering::Acquire) < limit)
    }
}

/// Counts one up, unless `limit` is reached.
fn count_up(count: &AtomicU32, limit: Option<u32>) -> bool {
    let limit = limit.unwrap_or(u32::MAX);
    let more = |count: u32| (count < limit).then(|| count + 1);
    count
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
        .is_ok()
}

#[derive(Debug)]
struct Bound {
    seats: Arc<Seats>,
    limits: Limits,
}

/// What bounds the connections to one node: its own limits, and those of its upstream.
#[derive(Debug)]
pub struct Places {
    /// Whose they are: connections that are counted are not shared with other upstreams.
    pub owner: Arc<str>,
    bounds: [Bound; 2],
}

impl Places {
    /// The places of the nodes of an upstream, which are given by what tells them apart; none when
    /// their connections have no limit. Counts are found again in `living`.
    #[must_use]
    pub(super) fn compile(
        key: &Key,
        config: &Upstream,
        nodes: impl Iterator<Item = String>,
        living: &Living,
    ) -> Vec<Arc<Self>> {
        let limits = &config.limits;
        if limits.all.max_connections.is_none() && limits.node.max_connections.is_none() {
            return Vec::new();
        }
        let seats = |place: &str| living.get_or_init::<Seats>(place, Seats::default);
        let all = seats(&format!("connections\u{0}{key}"));
        let owner: Arc<str> = Arc::from(key.to_string());
        let places = nodes.map(|node| Self {
            owner: Arc::clone(&owner),
            bounds: [
                Bound {
                    seats: seats(&format!("connections\u{0}{key}\u{0}{node}")),
                    limits: limits.node,
                },
                Bound {
                    seats: Arc::clone(&all),
                    limits: limits.all,
                },
            ],
        });
        places.map(Arc::new).collect()
    }

    /// Whether a request would be turned away: no connection may be made, and no more may wait.
    #[must_use]
    pub fn are_crowded(&self) -> bool {
        let crowded = |bound: &Bound| {
            let pending = bound.limits.max_pending;
            pending.is_some_and(|limit| bound.seats.waiting.load(Ordering::Acquire) >= limit)
        };
        !self.have_room() && self.bounds.iter().any(crowded)
    }

    /// Whether a connection may be made now.
    #[must_use]
    pub fn have_room(&self) -> bool {
        let free = |bound: &Bound| bound.seats.is_free(bound.limits.max_connections);
        self.bounds.iter().all(free)
    }

    /// A place for one connection; `None` when there is none now.
    #[must_use]
    pub fn take(&self) -> Option<Permit> {
        // Most of the time only one of them is full: it is seen before anything is taken.
        if !self.have_room() {
            return None;
        }
        let mut permit = Permit { seats: Vec::new() };
        for bound in &self.bounds {
            if !count_up(&bound.seats.taken, bound.limits.max_connections) {
                return None;
            }
            permit.seats.push(Arc::clone(&bound.seats));
        }
        Some(permit)
    }

    /// Notes that a request waits, until the result is dropped.
    ///
    /// # Errors
    /// As many as may wait already.
    pub fn wait(self: &Arc<Self>) -> Result<Pending, Full> {
        let mut pending = Pending { seats: Vec::new() };
        for bound in &self.bounds {
            if !count_up(&bound.seats.waiting, bound.limits.max_pending) {
                return Err(Full);
            }
            pending.seats.push(Arc::clone(&bound.seats));
        }
        Ok(pending)
    }

    /// Completes when a place may have come free; one that comes free from the call on counts. It
    /// may be for somebody else: who waits looks again, and now and then without being told.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        let freed: Vec<Pin<Box<Notified<'_>>>> = self
            .bounds
            .iter()
            .map(|bound| Box::pin(bound.seats.freed.notified()))
            .collect();
        let first = select_all(freed);
        async move {
            first.await;
        }
    }
}

/// The place of one connection; dropping it frees it.
#[derive(Debug)]
pub struct Permit {
    seats: Vec<Arc<Seats>>,
}

impl Permit {
    /// Requests that wait for such a place, on all workers.
    #[must_use]
    pub fn awaited(&self) -> u32 {
        let waiting = self
            .seats
            .iter()
            .map(|seats| seats.waiting.load(Ordering::Acquire));
        waiting.max().unwrap_or(0)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for seats in &self.seats {
            seats.taken.fetch_sub(1, Ordering::AcqRel);
            seats.freed.notify_waiters();
        }
    }
}

/// A request that waits; dropping it ends that.
#[derive(Debug)]
pub struct Pending {
    seats: Vec<Arc<Seats>>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        for seats in &self.seats {
            seats.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn places(limits: serde_json::Value, nodes: usize, living: &Living) -> Vec<Arc<Places>> {
        let spec = serde_json::json!({"nodes": {"a:1": 1}, "limits": limits});
        let config = Upstream::parse(&spec).unwrap();
        let key: Key = "upstreams/1".parse().unwrap();
        let nodes = (0..nodes).map(|node| node.to_string());
        Places::compile(&key, &config, nodes, living)
    }

    #[test]
    fn places_are_those_of_the_node_and_of_the_upstream() {
        let living = Living::default();
        let limits = serde_json::json!({"max_connections": 3, "node": {"max_connections": 2}});
        let nodes = places(limits.clone(), 2, &living);
        let (first, second) = (nodes[0].take(), nodes[0].take());
        assert!(first.is_some() && second.is_some());
        assert!(nodes[0].take().is_none(), "the node has as many as it may");
        let third = nodes[1].take();
        assert!(third.is_some());
        assert!(
            nodes[1].take().is_none(),
            "the upstream has as many as it may"
        );
        // They outlive a configuration.
        let again = places(limits, 2, &living);
        assert!(again[1].take().is_none());
        drop(second);
        assert!(again[1].take().is_some());
        assert!(again[0].take().is_some());
        drop((first, third));
        assert!(places(serde_json::json!({"max_requests": 1}), 2, &living).is_empty());
    }

    #[test]
    fn so_many_may_wait_and_no_more() {
        let limits = serde_json::json!({"max_connections": 1, "max_pending": 2});
        let nodes = places(limits, 2, &Living::default());
        assert!(!nodes[0].are_crowded());
        let permit = nodes[0].take().unwrap();
        let waiting = (nodes[0].wait(), nodes[1].wait());
        assert!(nodes[0].are_crowded());
        assert_eq!(permit.awaited(), 2);
        assert_eq!(nodes[1].wait().unwrap_err(), Full);
        drop(waiting);
        assert_eq!(permit.awaited(), 0);
        assert!(nodes[1].wait().is_ok());
        drop(permit);
        let seats = &nodes[0].bounds[1].seats;
        assert_eq!(seats.taken.load(Ordering::Acquire), 0);
        assert_eq!(seats.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn a_place_that_comes_free_is_told_to_everybody_who_waits() {
        let limits = serde_json::json!({"max_connections": 1});
        let nodes = places(limits, 2, &Living::default());
        let permit = nodes[0].take().unwrap();
        let (one, two) = (nodes[0].freed(), nodes[1].freed());
        drop(permit);
        let both = async {
            one.await;
            two.await;
        };
        tokio::time::timeout(Duration::from_secs(5), both)
            .await
            .unwrap();
    }
}
