//! Listening sockets: each worker has its own on the same address, and the kernel spreads
//! connections over them.
//!
//! A socket is bound first and listens later, when there is something to serve: until then nobody
//! can connect and wait in vain. One that another process passed on listens already.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per worker.
pub const BACKLOG: i32 = 1024;
/// Bytes of datagrams that may wait, per worker.
const UDP_BUFFER: usize = 4 << 20;
/// Bytes that the kernel holds of what is written to a connection beyond what is on its way. It would
/// take megabytes for a peer that does not read, and with a few hundred of those all TCP memory of the
/// machine: then every connection stalls. Connections that are fast are not slowed: what is on its way
/// does not count.
pub(crate) const MAX_UNSENT: u32 = 128 * 1024;

/// A socket that has its address.
#[derive(Debug)]
pub struct Bound(Socket);

impl Bound {
    /// Lets clients connect. With a socket that listens already this changes nothing.
    ///
    /// # Errors
    /// Another process listens on the address by now.
    pub fn listen(self) -> io::Result<TcpListener> {
        self.0.listen(BACKLOG)?;
        Ok(self.0.into())
    }
}

/// Binds one socket per worker. With port 0 the kernel picks a port, the same for all.
///
/// # Errors
/// The address cannot be had; also when another process listens there, even one that would share.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<Bound>)> {
    let (address, sockets) = bind_all(address, workers, Type::STREAM, false)?;
    Ok((address, sockets.into_iter().map(Bound).collect()))
}

/// [`bind`] for datagrams: the kernel gives those of one sender to one worker. Beside the sockets of
/// another process when that is `shared` with it.
///
/// # Errors
/// As [`bind`].
pub fn bind_udp(
    address: SocketAddr,
    workers: usize,
    shared: bool,
) -> io::Result<(SocketAddr, Vec<UdpSocket>)> {
    let (address, sockets) = bind_all(address, workers, Type::DGRAM, shared)?;
    for socket in &sockets {
        // As much as the system gives: a burst waits here while the worker does something else.
        let _ = socket.set_recv_buffer_size(UDP_BUFFER);
        let _ = socket.set_send_buffer_size(UDP_BUFFER);
    }
    Ok((address, sockets.into_iter().map(Into::into).collect()))
}

fn bind_all(
    address: SocketAddr,
    workers: usize,
    kind: Type,
    shared: bool,
) -> io::Result<(SocketAddr, Vec<Socket>)> {
    if address.port() != 0 && !shared {
        // With SO_REUSEPORT alone a second gateway would silently take half of the connections.
        drop(open(address, kind, false)?);
    }
    let first = open(address, kind, true)?;
    let address = local_address(&first)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(open(address, kind, true)?);
    }
    Ok((address, sockets))
}

/// Takes sockets that another process listened on, at least one per worker: with more workers than
/// sockets, some share. Every socket is kept, since the kernel has connections waiting on each.
///
/// # Errors
/// No file descriptor is left.
pub fn adopt(passed: Vec<TcpListener>, workers: usize) -> io::Result<Vec<Bound>> {
    let mut sockets: Vec<Socket> = passed.into_iter().map(Socket::from).collect();
    let own = sockets.len();
    let mut shared = Vec::new();
    for socket in sockets.iter().cycle().take(workers.saturating_sub(own)) {
        shared.push(socket.try_clone()?);
    }
    sockets.extend(shared);
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    Ok(sockets.into_iter().map(Bound).collect())
}

/// Takes sockets for datagrams that another process had.
///
/// # Errors
/// What the system said.
pub fn adopt_udp(passed: &[UdpSocket]) -> io::Result<()> {
    passed
        .iter()
        .try_for_each(|socket| socket.set_nonblocking(true))
}

fn open(address: SocketAddr, kind: Type, shared: bool) -> io::Result<Socket> {
    let protocol = if kind == Type::DGRAM {
        Protocol::UDP
    } else {
        Protocol::TCP
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    // For datagrams it would let others in.
    socket.set_reuse_address(kind == Type::STREAM)?;
    // The kernel may give a port to two UDP sockets that share theirs: they would take each other's
    // datagrams. So a port is looked for alone, and shared once it is had.
    let looks_for_port = kind == Type::DGRAM && address.port() == 0;
    socket.set_reuse_port(shared && !looks_for_port)?;
    if address.is_ipv6() {
        // An IPv6 wildcard does not take IPv4 from a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared && looks_for_port {
        socket.set_reuse_port(true)?;
    }
    if shared && kind == Type::STREAM {
        // Accepted connections inherit both.
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_notsent_lowat(MAX_UNSENT)?;
    }
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?;
    address
        .as_socket()
        .ok_or_else(|| io::Error::other("the socket has no IP address"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpStream;

    use super::*;

    fn listen(bound: Vec<Bound>) -> Vec<TcpListener> {
        let listen = |bound: Bound| bound.listen().unwrap();
        bound.into_iter().map(listen).collect()
    }

    #[test]
    fn all_workers_listen_on_one_port() {
        let (address, bound) = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let listeners = listen(bound);
        assert_eq!(listeners.len(), 3);
        for listener in &listeners {
            assert_eq!(listener.local_addr().unwrap(), address);
        }
    }

    #[test]
    fn port_in_use_is_refused() {
        let (address, bound) = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let _listeners = listen(bound);
        let error = bind(address, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn nobody_connects_before_it_listens() {
        let (address, bound) = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let _listeners = listen(bound);
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn every_passed_socket_is_kept_and_every_worker_has_one() {
        let address = "127.0.0.1:0".parse().unwrap();
        for (passed, workers, expected) in [(3, 2, 3), (2, 2, 2), (2, 5, 5)] {
            let (address, bound) = bind(address, passed).unwrap();
            let adopted = adopt(listen(bound), workers).unwrap();
            assert_eq!(
                adopted.len(),
                expected,
                "{passed} sockets, {workers} workers"
            );
            for listener in listen(adopted) {
                assert_eq!(listener.local_addr().unwrap(), address);
            }
        }
    }

    #[test]
    fn datagrams_have_ports_of_their_own_that_are_not_shared_unasked() {
        let (address, sockets) = bind_udp("127.0.0.1:0".parse().unwrap(), 2, false).unwrap();
        assert_eq!(sockets[1].local_addr().unwrap(), address);
        let error = bind_udp(address, 1, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(bind_udp(address, 1, true).is_ok(), "while taking over");
        assert!(bind(address, 1).is_ok(), "TCP has ports of its own");
    }

    #[test]
    fn a_port_that_the_kernel_picks_is_nobody_elses() {
        let any = "127.0.0.1:0".parse().unwrap();
        let bound: Vec<_> = (0..400).map(|_| bind_udp(any, 1, false).unwrap()).collect();
        let ports: BTreeSet<_> = bound.iter().map(|(address, _)| *address).collect();
        assert_eq!(ports.len(), bound.len());
    }
}
