//! The listening sockets, bound before any worker starts.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use super::{Inherited, StartError};
use crate::worker::listener::{self, Bound};
use crate::worker::run::{Entrance, Listener, Listeners};

/// Sockets that have their addresses, before they listen.
pub(super) struct Sockets {
    workers: usize,
    bound: Vec<Socket>,
    /// By worker.
    udp: Vec<Vec<UdpSocket>>,
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
    pub(super) by_worker: Vec<Listeners>,
    /// Second descriptors of those for connections, to be passed on.
    pub(super) held: Vec<TcpListener>,
}

impl Sockets {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            bound: Vec::new(),
            udp: (0..workers).map(|_| Vec::new()).collect(),
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

    /// Binds `addresses` for datagrams, beside the sockets of another process while that is
    /// `taking_over` from it; returns the addresses with the ports that were chosen.
    pub(super) fn bind_udp(
        &mut self,
        option: &'static str,
        addresses: &[SocketAddr],
        taking_over: bool,
    ) -> Result<Vec<SocketAddr>, StartError> {
        let mut known = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let bound = listener::bind_udp(address, self.workers, taking_over);
            let (address, sockets) = bound.map_err(|source| StartError::Bind {
                option,
                address,
                source,
            })?;
            known.push(address);
            for (sockets, socket) in self.udp.iter_mut().zip(sockets) {
                sockets.push(socket);
            }
        }
        Ok(known)
    }

    /// Lets clients connect.
    pub(super) fn listen(self) -> Result<Listening, StartError> {
        let mut listening = Listening {
            by_worker: Vec::with_capacity(self.workers),
            held: Vec::with_capacity(self.bound.len()),
        };
        for udp in self.udp {
            let tcp = Vec::new();
            listening.by_worker.push(Listeners { tcp, udp });
        }
        for bound in self.bound {
            let (option, address) = (bound.option, bound.address);
            let listen = || -> io::Result<()> {
                let socket = bound.socket.listen()?;
                listening.held.push(socket.try_clone()?);
                if let Some(listeners) = listening.by_worker.get_mut(bound.worker) {
                    let entrance = bound.entrance;
                    listeners.tcp.push(Listener { socket, entrance });
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
