//! A listening socket for datagrams that knows to which of our addresses each was sent, and answers
//! from there (RFC 3542 section 6). The kernel may hand over several datagrams of one sender at once.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams that came from one sender, one behind the other in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes of all of them.
    pub(super) size: usize,
    /// Bytes of each; the last one may be shorter.
    pub(super) each: usize,
    pub(super) client: SocketAddr,
    /// Where they were sent to.
    pub(super) local: SocketAddr,
}

impl Received {
    /// The datagrams in the buffer.
    pub(super) fn datagrams(self, buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
        let all = buffer.get(..self.size).unwrap_or_default();
        // An empty datagram is one, too.
        let empty = self.size == 0;
        let pieces = all.chunks(self.each.max(1));
        pieces.chain(empty.then_some(all))
    }
}

/// The socket.
pub(super) struct Socket {
    inner: UdpSocket,
    state: UdpSocketState,
    bound: SocketAddr,
}

impl Socket {
    /// Registers a bound socket, which does not block.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // The library is made for QUIC, which forbids fragments. Here sizes are the clients'.
        if bound.is_ipv4() {
            set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::WANT)?;
        } else {
            set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::WANT)?;
        }
        Ok(Self {
            inner: UdpSocket::from_std(socket)?,
            state,
            bound,
        })
    }

    /// Waits until something may have come.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Takes what came from one sender.
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut parts = [IoSliceMut::new(buffer)];
        let mut told = [RecvMeta::default()];
        self.inner.try_io(Interest::READABLE, || {
            let socket = UdpSockRef::from(&self.inner);
            self.state.recv(socket, &mut parts, &mut told)
        })?;
        let [told] = told;
        let local = told.dst_ip.unwrap_or_else(|| self.bound.ip());
        Ok(Received {
            size: told.len,
            each: told.stride,
            client: told.addr,
            local: SocketAddr::new(local, self.bound.port()),
        })
    }

    /// Sends one datagram from one of our addresses.
    pub(super) fn try_send(
        &self,
        datagram: &[u8],
        client: SocketAddr,
        from: IpAddr,
    ) -> io::Result<()> {
        let sending = Transmit {
            destination: client,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: Some(from),
        };
        self.inner.try_io(Interest::WRITABLE, || {
            let socket = UdpSockRef::from(&self.inner);
            self.state.try_send(socket, &sending)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::listener::bind_udp;

    async fn receive(socket: &Socket, buffer: &mut [u8]) -> Received {
        loop {
            socket.readable().await.unwrap();
            match socket.try_receive(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received.unwrap(),
            }
        }
    }

    #[tokio::test]
    async fn answers_come_from_the_address_that_was_asked() {
        for (any, asked) in [("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1")] {
            let (bound, mut sockets) = bind_udp(any.parse().unwrap(), 1, false).unwrap();
            let socket = Socket::new(sockets.remove(0)).unwrap();
            let asked: IpAddr = asked.parse().unwrap();
            let own = if asked.is_ipv4() {
                "127.0.0.1:0"
            } else {
                "[::1]:0"
            };
            let client = UdpSocket::bind(own).await.unwrap();
            let target = SocketAddr::new(asked, bound.port());
            let mut buffer = [0; 100];
            // An empty datagram is one, too.
            for question in [&b"question"[..], b""] {
                client.send_to(question, target).await.unwrap();
                let received = receive(&socket, &mut buffer).await;
                assert_eq!(received.local, target);
                assert_eq!(received.client, client.local_addr().unwrap());
                let datagrams: Vec<&[u8]> = received.datagrams(&buffer).collect();
                assert_eq!(datagrams, [question]);
                socket
                    .try_send(b"answer", received.client, received.local.ip())
                    .unwrap();
                let (size, from) = client.recv_from(&mut buffer).await.unwrap();
                assert_eq!((&buffer[..size], from), (&b"answer"[..], target));
            }
        }
    }

    #[test]
    fn several_datagrams_are_told_apart() {
        let received = |size, each| Received {
            size,
            each,
            client: "127.0.0.1:1".parse().unwrap(),
            local: "127.0.0.1:2".parse().unwrap(),
        };
        let pieces = |received: Received| -> Vec<Vec<u8>> {
            received.datagrams(b"abcdefg").map(<[u8]>::to_vec).collect()
        };
        assert_eq!(pieces(received(7, 3)), [&b"abc"[..], b"def", b"g"]);
        assert_eq!(pieces(received(2, 2)), [b"ab"]);
        assert_eq!(pieces(received(0, 0)), [b""]);
    }
}
