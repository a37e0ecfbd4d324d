//! The listening sockets, bound before any worker starts.

use std::net::SocketAddr;

use super::StartError;
use crate::worker::listener;
use crate::worker::run::{Entrance, Listener};

/// Listening sockets, by worker.
pub(super) struct Sockets {
    pub(super) by_worker: Vec<Vec<Listener>>,
}

impl Sockets {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            by_worker: (0..workers).map(|_| Vec::new()).collect(),
        }
    }

    pub(super) fn bind(
        &mut self,
        option: &'static str,
        addresses: &[SocketAddr],
        entrance: Entrance,
    ) -> Result<Vec<SocketAddr>, StartError> {
        let mut bound = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let (address, sockets) =
                listener::bind(address, self.by_worker.len()).map_err(|source| {
                    StartError::Bind {
                        option,
                        address,
                        source,
                    }
                })?;
            bound.push(address);
            for (listeners, socket) in self.by_worker.iter_mut().zip(sockets) {
                listeners.push(Listener { socket, entrance });
            }
        }
        Ok(bound)
    }
}
