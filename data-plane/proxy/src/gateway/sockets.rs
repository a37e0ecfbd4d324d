//! The listening sockets, bound before any worker starts.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use super::{Inherited, StartError};
use crate::worker::listener::{self, Bound};
use crate::worker::run::{Entrance, Listener, Listeners};

/// Sockets that have their addresses, before they listen.
pub(super) struct Sockets {
    workers: usize,
    bound: Vec<Socket>,
    datagrams: Vec<Datagrams>,
}

struct Socket {
    worker: usize,
    option: &'static str,
    address: SocketAddr,
    entrance: Entrance,
    socket: Bound,
}

/// The sockets for datagrams on one address.
struct Datagrams {
    option: &'static str,
    address: SocketAddr,
    sockets: Vec<UdpSocket>,
}

/// Listening sockets, by worker.
pub(super) struct Listening {
    pub(super) by_worker: Vec<Listeners>,
    pub(super) held: Held,
}

/// Second descriptors of all sockets, to be passed on.
#[derive(Default)]
pub(super) struct Held {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Held {
    /// Third ones.
    pub(super) fn again(&self, datagrams: bool) -> io::Result<Vec<OwnedFd>> {
        let tcp = self.tcp.iter().map(AsFd::as_fd);
        let udp = self.udp.iter().filter(|_| datagrams).map(AsFd::as_fd);
        tcp.chain(udp)
            .map(|socket| socket.try_clone_to_owned())
            .collect()
    }
}

impl Sockets {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            bound: Vec::new(),
            datagrams: Vec::new(),
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

    /// [`Self::bind`] for datagrams. What another process had there goes on to be read by it until
    /// this one listens, and by nobody else then: no datagram is lost in between.
    pub(super) fn bind_udp(
        &mut self,
        option: &'static str,
        addresses: &[SocketAddr],
        inherited: &mut Inherited,
    ) -> Result<Vec<SocketAddr>, StartError> {
        let mut known = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let passed = inherited.take_datagrams(address);
            let bound = if passed.is_empty() {
                listener::bind_udp(address, self.workers, inherited.keeps_datagrams())
            } else {
                listener::adopt_udp(&passed).map(|()| (address, passed))
            };
            let (address, sockets) = bound.map_err(|source| StartError::Bind {
                option,
                address,
                source,
            })?;
            known.push(address);
            self.datagrams.push(Datagrams {
                option,
                address,
                sockets,
            });
        }
        Ok(known)
    }

    /// Lets clients connect.
    pub(super) fn listen(self) -> Result<Listening, StartError> {
        let mut listening = Listening {
            by_worker: Vec::with_capacity(self.workers),
            held: Held::default(),
        };
        let workers = self.workers;
        listening.by_worker.resize_with(workers, Listeners::default);
        for datagrams in self.datagrams {
            let (option, address) = (datagrams.option, datagrams.address);
            let listen = || -> io::Result<()> {
                let mut sockets = datagrams.sockets;
                // With more workers than the process before had. Not earlier: the kernel gives them
                // datagrams from now on.
                if let Some(missing) = workers
                    .checked_sub(sockets.len())
                    .filter(|&count| count > 0)
                {
                    sockets.extend(listener::bind_udp(address, missing, true)?.1);
                }
                for (socket, worker) in sockets.into_iter().zip((0..workers).cycle()) {
                    listening.held.udp.push(socket.try_clone()?);
                    if let Some(listeners) = listening.by_worker.get_mut(worker) {
                        listeners.udp.push(socket);
                    }
                }
                Ok(())
            };
            listen().map_err(|source| StartError::Bind {
                option,
                address,
                source,
            })?;
        }
        for bound in self.bound {
            let (option, address) = (bound.option, bound.address);
            let listen = || -> io::Result<()> {
                let socket = bound.socket.listen()?;
                listening.held.tcp.push(socket.try_clone()?);
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
