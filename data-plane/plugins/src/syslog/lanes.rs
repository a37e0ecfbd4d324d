//! Messages over several connections to one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use weir_plugin_api::outside::{Outside, SocketKind, SocketTarget};

use crate::logging::{Delivery, Sender, Undelivered};

/// Connections that are ever kept to one server; a larger pool would stay empty.
const MOST: usize = 64;

/// The connections, each of which is made when all before it are busy.
pub(super) struct Lanes(Vec<Arc<Lane>>);

struct Lane {
    target: Arc<SocketTarget>,
    is_busy: AtomicBool,
}

/// A batch that travels over a lane.
pub(super) struct Ride(Arc<Lane>);

#[cfg(test)]
impl Ride {
    pub(super) fn number(&self) -> u32 {
        self.0.target.lane
    }
}

impl Drop for Ride {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
    }
}

impl Lanes {
    pub(super) fn new(target: SocketTarget, size: usize) -> Self {
        let numbers = (0_u32..).take(size.clamp(1, MOST));
        let lane = |number| {
            Arc::new(Lane {
                target: Arc::new(SocketTarget {
                    lane: number,
                    ..target.clone()
                }),
                is_busy: AtomicBool::new(false),
            })
        };
        Self(numbers.map(lane).collect())
    }

    /// The first lane that is free; the last one when none is, behind what goes over it.
    pub(super) fn enter(&self) -> Option<Ride> {
        let is_free = |lane: &&Arc<Lane>| !lane.is_busy.swap(true, Ordering::Relaxed);
        let free = self.0.iter().find(is_free);
        free.or_else(|| self.0.last())
            .map(|lane| Ride(Arc::clone(lane)))
    }
}

impl Sender<Bytes> for Lanes {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Bytes]) -> Delivery {
        let Some(ride) = self.enter() else {
            let reason = "no connection is configured".to_owned();
            return Box::pin(std::future::ready(Err(reason.into())));
        };
        let target = Arc::clone(&ride.0.target);
        // A datagram holds one message (RFC 5426 section 3.1), without a line feed behind it.
        let parts: Vec<Bytes> = match target.kind {
            SocketKind::Udp => {
                let end = |message: &Bytes| message.len().saturating_sub(1);
                batch
                    .iter()
                    .map(|message| message.slice(..end(message)))
                    .collect()
            }
            SocketKind::Tcp | SocketKind::Tls { .. } => {
                let mut all = BytesMut::with_capacity(batch.iter().map(Bytes::len).sum());
                batch
                    .iter()
                    .for_each(|message| all.extend_from_slice(message));
                vec![all.freeze()]
            }
        };
        let outside = Arc::clone(outside);
        Box::pin(async move {
            let _ride = ride;
            // Of datagrams, those before the one that failed are gone; a stream goes whole.
            for (arrived, part) in parts.into_iter().enumerate() {
                let sent = outside.send(&target, part).await;
                sent.map_err(|error| Undelivered {
                    reason: error.to_string(),
                    arrived,
                })?;
            }
            Ok(())
        })
    }
}
