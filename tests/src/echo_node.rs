//! A node that gives back what it gets: bytes over TCP, datagrams over UDP, on the same port.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A listening node; ends when dropped.
pub struct EchoNode {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl EchoNode {
    /// Starts it, on an address of its own.
    pub async fn start() -> Self {
        let address = SocketAddr::new(crate::address::fresh().into(), 9007);
        let listener = TcpListener::bind(address).await.expect("its address");
        let socket = UdpSocket::bind(address).await.expect("its address");
        let stop = CancellationToken::new();
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(give_back(stream));
            }
        };
        let answer = async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
                // Whoever has gone does not miss it.
                let _ = socket.send_to(&buffer[..size], from).await;
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        tokio::spawn(stop.clone().run_until_cancelled_owned(answer));
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }

    /// `host:port`, as a node of an upstream.
    pub fn node(&self) -> String {
        self.address.to_string()
    }
}

async fn give_back(mut stream: TcpStream) {
    // Small pieces must not wait for each other.
    let _ = stream.set_nodelay(true);
    let (mut from, mut to) = stream.split();
    // Whoever has gone does not miss it.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}
