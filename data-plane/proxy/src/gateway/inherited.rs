//! Listening sockets that a gateway of another process passed on.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use socket2::{Socket, Type};

/// Sockets by the address that the kernel says they listen on. Dropping it closes those that
/// nobody took.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: BTreeMap<SocketAddr, Vec<TcpListener>>,
}

impl Inherited {
    /// Sorts descriptors by what they are.
    ///
    /// # Errors
    /// One of them is no listening TCP socket.
    pub fn new(descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let mut inherited = Self::default();
        for descriptor in descriptors {
            let socket = Socket::from(descriptor);
            let address = socket.local_addr()?.as_socket();
            let listens = socket.r#type()? == Type::STREAM && socket.is_listener()?;
            let Some(address) = address.filter(|_| listens) else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a descriptor that was passed is not a listening TCP socket",
                ));
            };
            let sockets = inherited.tcp.entry(address).or_default();
            sockets.push(socket.into());
        }
        Ok(inherited)
    }

    /// The sockets on `address`, none when there are none.
    #[must_use]
    pub fn take(&mut self, address: SocketAddr) -> Vec<TcpListener> {
        self.tcp.remove(&address).unwrap_or_default()
    }

    /// Addresses of what nobody took.
    pub fn left(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.tcp.keys().copied()
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
        let mut inherited = Inherited::new(vec![listener.into(), again.into()]).unwrap();
        assert_eq!(inherited.left().collect::<Vec<_>>(), [address]);
        assert_eq!(inherited.take(address).len(), 2);
        assert!(inherited.take(address).is_empty());
        assert_eq!(inherited.left().count(), 0);
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Inherited::new(vec![udp.into()]).is_err());
        let file = tempfile::tempfile().unwrap();
        assert!(Inherited::new(vec![file.into()]).is_err());
    }
}
