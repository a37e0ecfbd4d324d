//! WebSockets over HTTP/1.1, and connections through stream routes: bytes that come back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::echoes::Echoes;
use super::{Client, within};

/// A text frame with a mask (RFC 6455 section 5.2).
pub(super) const FRAME: &[u8] = b"\x81\x84\x01\x02\x03\x04uknf";

/// One WebSocket, until it ends or the test is over.
pub(super) async fn socket(client: &Client) -> Result<(), String> {
    let open = async {
        let mut stream = TcpStream::connect(client.plan.address).await?;
        let request = "GET /socket HTTP/1.1\r\nHost: steady\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        Ok::<_, std::io::Error>((stream, head))
    };
    let opened = within("WebSocket", open).await?;
    let (stream, head) = opened.map_err(|error| format!("WebSocket: {error}"))?;
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(format!("WebSocket: {}", String::from_utf8_lossy(&head)));
    }
    exchange(client, stream, "WebSocket").await
}

/// One connection to `address`, until it ends or the test is over.
pub(super) async fn relayed(client: &Client, address: SocketAddr) -> Result<(), String> {
    let opened = within("connection", TcpStream::connect(address)).await?;
    let stream = opened.map_err(|error| format!("connect {address}: {error}"))?;
    exchange(client, stream, "connection through a stream route").await
}

async fn exchange(client: &Client, mut stream: TcpStream, what: &str) -> Result<(), String> {
    let mut echoes = Echoes::new(client, what);
    loop {
        let exchange = async {
            stream.write_all(FRAME).await?;
            let mut back = [0; FRAME.len()];
            stream.read_exact(&mut back).await?;
            Ok::<_, std::io::Error>(back)
        };
        let back = within("a frame", exchange).await?;
        if !echoes
            .came(back.as_ref().map(<[u8; FRAME.len()]>::as_slice))
            .await?
        {
            return Ok(());
        }
    }
}
