//! WebSockets on streams of HTTP/2 (RFC 8441).

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::echoes::Echoes;
use super::websocket::FRAME;
use super::{Client, within};

/// One WebSocket on a connection of its own, until it ends or the test is over.
pub(super) async fn socket(client: &Client) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    let opened = within("WebSocket", open(client, &mut tasks)).await?;
    let (mut send, mut receive) = opened.map_err(|error| format!("WebSocket: {error}"))?;
    let mut echoes = Echoes::new(client, "WebSocket on a stream");
    loop {
        let back = within("a frame", exchange(&mut send, &mut receive)).await?;
        if !echoes.came(back.as_deref()).await? {
            return Ok(());
        }
    }
}

async fn open(
    client: &Client,
    tasks: &mut JoinSet<()>,
) -> Result<(SendStream<Bytes>, RecvStream), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(client.plan.address).await?;
    let (sender, mut connection) = h2::client::handshake(stream).await?;
    let mut ping = connection.ping_pong().ok_or("no pings")?;
    tasks.spawn(async move {
        // What goes wrong shows on the stream.
        let _ = connection.await;
    });
    // Settings come first: then it is known whether the gateway takes extended CONNECT.
    ping.ping(h2::Ping::opaque()).await?;
    let mut sender = sender.ready().await?;
    if !sender.is_extended_connect_protocol_enabled() {
        return Err("extended CONNECT is not taken".into());
    }
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://steady/socket")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(())?;
    let (answer, send) = sender.send_request(request, false)?;
    let answer = answer.await?;
    if answer.status() != 200 {
        return Err(format!("status {}", answer.status()).into());
    }
    Ok((send, answer.into_body()))
}

async fn exchange(
    send: &mut SendStream<Bytes>,
    receive: &mut RecvStream,
) -> Result<Vec<u8>, String> {
    let sent = send.send_data(Bytes::from_static(FRAME), false);
    sent.map_err(|error| error.to_string())?;
    let mut back = Vec::new();
    while back.len() < FRAME.len() {
        let piece = receive.data().await.ok_or("the stream ended")?;
        let piece = piece.map_err(|error| error.to_string())?;
        let released = receive.flow_control().release_capacity(piece.len());
        released.map_err(|error| error.to_string())?;
        back.extend_from_slice(&piece);
    }
    Ok(back)
}
