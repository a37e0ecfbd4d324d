//! Listening sockets: each worker has its own on the same address, and the kernel spreads
//! connections over them.
//!
//! A socket is bound first and listens later, when there is something to serve: until then nobody
//! can connect and wait in vain. One that another process passed on listens already.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per worker.
pub const BACKLOG: i32 = 1024;

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
    if address.port() != 0 {
        // With SO_REUSEPORT alone a second gateway would silently take half of the connections.
        drop(open(address, false)?);
    }
    let first = open(address, true)?;
    let address = local_address(&first)?;
    let mut bound = vec![Bound(first)];
    for _ in 1..workers {
        bound.push(Bound(open(address, true)?));
    }
    Ok((address, bound))
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

fn open(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // An IPv6 wildcard does not take IPv4 from a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared {
        // Accepted connections inherit it.
        socket.set_tcp_nodelay(true)?;
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
}
