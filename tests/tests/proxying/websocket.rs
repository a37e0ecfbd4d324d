//! WebSocket between a real client and a real server, through the agent.

use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_hdr_async, connect_async};

use super::setup::Bench;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that gives back every message, and closes as it is closed. Its address.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

#[allow(
    clippy::result_large_err,
    reason = "the callback's type is the library's"
)]
async fn serve(stream: TcpStream) {
    let agree = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let protocol = "chat".parse().unwrap();
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, agree).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let data = message.is_text() || message.is_binary();
        if data && socket.send(message).await.is_err() {
            return;
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(bench: &Bench) -> Socket {
    let url = format!("ws://{}:9080/chat", bench.agent.ip);
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
            .unwrap();
    let wanted = "chat".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", wanted);
    let (socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.status(), 101);
    socket
}

async fn next(socket: &mut Socket) -> Result<Message, Error> {
    let next = tokio::time::timeout(PATIENCE, socket.next()).await;
    next.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_all_sizes_pass_both_ways_and_changes_touch_no_socket() {
    let bench = Bench::start("ws").await;
    let upstream = json!({"nodes": {echo().await: 1}});
    let route = |more: &str| json!({"uri": "/chat", "desc": more, "enable_websocket": true, "upstream": upstream});
    bench.put("routes/chat", route("first")).await;
    let mut socket = open(&bench).await;
    for number in 0..1000 {
        if number % 250 == 0 {
            bench.put("routes/chat", route(&number.to_string())).await;
        }
        let message = Message::text(format!("message {number}"));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap(), message);
    }
    // The route is gone, the socket is not.
    let elsewhere = json!({"uri": "/elsewhere", "upstream": upstream});
    bench.put("routes/chat", elsewhere).await;
    for size in [0, 125, 126, 65_535, 65_536, 4 << 20] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap(), message);
    }
    let close = CloseFrame {
        code: CloseCode::Library(4001),
        reason: "done".into(),
    };
    socket.close(Some(close.clone())).await.unwrap();
    let Ok(Message::Close(Some(told))) = next(&mut socket).await else {
        panic!("no close frame");
    };
    assert_eq!(told, close);
    let end = tokio::time::timeout(PATIENCE, socket.next()).await;
    assert!(end.expect("in time").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_uploads_with_and_without_waiting_and_in_both_versions() {
    let bench = Bench::start("curl").await;
    let upstream = json!({"nodes": {bench.origin.node(): 1}});
    bench
        .put("routes/all", json!({"uri": "/*", "upstream": upstream}))
        .await;
    let file = bench.cluster.dir().join("upload");
    std::fs::write(&file, vec![b'x'; 3 << 20]).unwrap();
    let upload = format!("@{}", file.display());
    for arguments in [
        &["--http1.1", "-H", "Expect: 100-continue"][..],
        &["--http1.1", "-H", "Expect:"],
        &["--http1.1", "-H", "Transfer-Encoding: chunked"],
        &["--http1.0"],
    ] {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(["--max-time", "60", "--data-binary", &upload])
            .args(arguments)
            .arg(bench.agent.url("/upload"));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .expect("curl");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.stdout, b"200", "{arguments:?}: {said}");
    }
}
