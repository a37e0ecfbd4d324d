//! WebSockets: frames that come back.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Client, lock, within};

/// A text frame with a mask (RFC 6455 section 5.2).
const FRAME: &[u8] = b"\x81\x84\x01\x02\x03\x04uknf";

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
    let (mut stream, head) = opened.map_err(|error| format!("WebSocket: {error}"))?;
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(format!("WebSocket: {}", String::from_utf8_lossy(&head)));
    }
    let mut count = 0u64;
    loop {
        let exchange = async {
            stream.write_all(FRAME).await?;
            let mut back = [0; FRAME.len()];
            stream.read_exact(&mut back).await?;
            Ok::<_, std::io::Error>(back)
        };
        match within("a frame", exchange).await? {
            Ok(back) if back == FRAME => {}
            Ok(back) => return Err(format!("frame {count} came back as {back:?}")),
            Err(error) => {
                lock(&client.seen.ended).push(format!("after {count} frames: {error}"));
                return Ok(());
            }
        }
        count += 1;
        client.seen.pieces.fetch_add(1, Ordering::Relaxed);
        if !client.rest().await {
            return Ok(());
        }
    }
}
