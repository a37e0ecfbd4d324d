//! Sockets that a gateway of another process passed on: those that listen, and those for datagrams.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use socket2::{Socket, Type};

/// Sockets by the address that the kernel says they have. Dropping it closes those that
/// nobody took.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: BTreeMap<SocketAddr, Vec<TcpListener>>,
    udp: BTreeMap<SocketAddr, Vec<UdpSocket>>,
    /// Whether the other process keeps its sockets for datagrams.
    keeps_udp: bool,
}

impl Inherited {
    /// Sorts descriptors by what they are.
    ///
    /// # Errors
    /// One of them is neither a listening TCP socket nor one for UDP.
    pub fn new(descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let mut inherited = Self::default();
        for descriptor in descriptors {
            let socket = Socket::from(descriptor);
            let address = socket.local_addr()?.as_socket();
            let kind = socket.r#type()?;
            match address {
                Some(address) if kind == Type::STREAM && socket.is_listener()? => {
                    let sockets = inherited.tcp.entry(address).or_default();
                    sockets.push(socket.into());
                }
                Some(address) if kind == Type::DGRAM => {
                    let sockets = inherited.udp.entry(address).or_default();
                    sockets.push(socket.into());
                }
                _ => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "a descriptor that was passed is neither a listening TCP socket nor one for UDP",
                    ));
                }
            }
        }
        Ok(inherited)
    }

    /// The same from a process that keeps its sockets for datagrams: those of this process are bound
    /// beside them.
    #[must_use]
    pub fn without_datagrams(self) -> Self {
        Self {
            keeps_udp: true,
            ..self
        }
    }

    /// Whether the other process keeps its sockets for datagrams.
    #[must_use]
    pub fn keeps_datagrams(&self) -> bool {
        self.keeps_udp
    }

    /// The listening sockets on `address`, none when there are none.
    #[must_use]
    pub fn take(&mut self, address: SocketAddr) -> Vec<TcpListener> {
        self.tcp.remove(&address).unwrap_or_default()
    }

    /// The sockets for datagrams on `address`, none when there are none.
    #[must_use]
    pub fn take_datagrams(&mut self, address: SocketAddr) -> Vec<UdpSocket> {
        self.udp.remove(&address).unwrap_or_default()
    }

    /// Addresses of what nobody took.
    pub fn left(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.tcp.keys().chain(self.udp.keys()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_their_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let again = listener.try_clone().unwrap();
        let datagrams = UdpSocket::bind(address).unwrap();
        let passed = vec![listener.into(), datagrams.into(), again.into()];
        let mut inherited = Inherited::new(passed).unwrap();
        assert_eq!(inherited.take_datagrams(address).len(), 1);
        assert!(inherited.take_datagrams(address).is_empty());
        assert_eq!(inherited.left().collect::<Vec<_>>(), [address]);
        assert_eq!(inherited.take(address).len(), 2);
        assert!(inherited.take(address).is_empty());
        assert_eq!(inherited.left().count(), 0);
    }

    #[test]
    fn what_takes_neither_connections_nor_datagrams_is_refused() {
        let (local, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert!(Inherited::new(vec![local.into()]).is_err());
        let unbound = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
        assert!(Inherited::new(vec![unbound.into()]).is_err());
        let file = tempfile::tempfile().unwrap();
        assert!(Inherited::new(vec![file.into()]).is_err());
    }
}
