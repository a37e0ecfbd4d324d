//! The listening sockets, bound before any worker starts.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::{Inherited, StartError};
use crate::worker::listener::{self, Bound};
use crate::worker::run::{Entrance, Listener};

/// Sockets that have their addresses, before they listen.
pub(super) struct Sockets {
    workers: usize,
    bound: Vec<Socket>,
}

struct Socket {
    worker: usize,
    option: &'static str,
    address: SocketAddr,
    entrance: Entrance,
    socket: Bound,
}

/// Listening sockets, by worker.
pub(super) struct Listening {
    pub(super) by_worker: Vec<Vec<Listener>>,
    /// Second descriptors of all of them, to be passed on.
    pub(super) held: Vec<TcpListener>,
}

impl Sockets {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            bound: Vec::new(),
        }
    }

    /// Binds `addresses`, or takes the sockets that another process had there; returns the
    /// addresses with the ports that were chosen.
    pub(super) fn bind(
        &mut self,
        option: &'static str,
        addresses: &[SocketAddr],
        entrance: Entrance,
        inherited: &mut Inherited,
    ) -> Result<Vec<SocketAddr>, StartError> {
        let mut known = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let passed = inherited.take(address);
            let bound = if passed.is_empty() {
                listener::bind(address, self.workers)
            } else {
                listener::adopt(passed, self.workers).map(|bound| (address, bound))
            };
            let (address, bound) = bound.map_err(|source| StartError::Bind {
                option,
                address,
                source,
            })?;
            known.push(address);
            for (socket, worker) in bound.into_iter().zip((0..self.workers).cycle()) {
                self.bound.push(Socket {
                    worker,
                    option,
                    address,
                    entrance,
                    socket,
                });
            }
        }
        Ok(known)
    }

    /// Lets clients connect.
    pub(super) fn listen(self) -> Result<Listening, StartError> {
        let mut listening = Listening {
            by_worker: (0..self.workers).map(|_| Vec::new()).collect(),
            held: Vec::with_capacity(self.bound.len()),
        };
        for bound in self.bound {
            let (option, address) = (bound.option, bound.address);
            let listen = || -> io::Result<()> {
                let socket = bound.socket.listen()?;
                listening.held.push(socket.try_clone()?);
                if let Some(listeners) = listening.by_worker.get_mut(bound.worker) {
                    let entrance = bound.entrance;
                    listeners.push(Listener { socket, entrance });
                }
                Ok(())
            };
            listen().map_err(|source| StartError::Bind {
                option,
                address,
                source,
            })?;
        }
        Ok(listening)
    }
}
