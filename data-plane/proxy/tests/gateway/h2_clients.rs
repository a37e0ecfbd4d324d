//! Clients over HTTP/2: WebSockets on a stream (RFC 8441), interim answers, slow bodies, and what is
//! no request.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, StatusCode};
use serde_json::json;
use sha1::{Digest, Sha1};
use tokio::net::TcpStream;
use weir_proxy::gateway::{Gateway, GatewayConfig, Limits, Settings};

use super::origin::{Origin, Peer, ok};
use super::setup::{config, everything_to, http, in_time, nodes, proxy_to, runtime, start};

async fn connect(gateway: &Gateway) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(http(gateway)).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    // The settings of the gateway come before its first answer.
    let uri = format!("http://{}/none", http(gateway));
    let first = Request::get(uri).body(()).unwrap();
    sender.send_request(first, true).unwrap().0.await.unwrap();
    sender
}

fn sockets(gateway_to: &Origin, enabled: bool) -> Gateway {
    let upstream = nodes(&[gateway_to.address]);
    let route = json!({"uri": "/chat", "enable_websocket": enabled, "upstream": upstream});
    start(config(), Some(runtime(&[("routes/1", route)])))
}

/// Asks for a stream that speaks `protocol`.
async fn ask_for(
    gateway: &Gateway,
    protocol: &'static str,
) -> (http::Response<RecvStream>, SendStream<Bytes>) {
    let mut sender = connect(gateway).await;
    assert!(sender.is_extended_connect_protocol_enabled());
    let uri = format!("http://{}/chat", http(gateway));
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat");
    let request = request.body(()).unwrap();
    let (answer, send) = sender.send_request(request, false).unwrap();
    (answer.await.unwrap(), send)
}

/// A node that switches as it is asked, then gives back every byte.
fn echo() -> Origin {
    Origin::raw(|peer| {
        let seen = peer.read_head().unwrap();
        assert!(seen.line.starts_with("GET /chat HTTP/1.1"), "{}", seen.line);
        assert_eq!(seen.header("upgrade"), Some("websocket"));
        assert_eq!(seen.header("sec-websocket-version"), Some("13"));
        assert_eq!(seen.header("sec-websocket-protocol"), Some("chat"));
        let key = seen.header("sec-websocket-key").expect("a key");
        let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        let accept = STANDARD.encode(hash);
        peer.write(format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\nsec-websocket-protocol: chat\r\n\r\n"
        ));
        give_back(peer);
    })
}

fn give_back(peer: &mut Peer) {
    let mut piece = [0; 4096];
    while let Ok(size @ 1..) = std::io::Read::read(&mut peer.reader, &mut piece) {
        if !peer.write(&piece[..size]) {
            return;
        }
    }
}

async fn read(receive: &mut RecvStream, size: usize) -> Vec<u8> {
    let mut came = Vec::new();
    while came.len() < size {
        let piece = receive.data().await.expect("more").unwrap();
        receive
            .flow_control()
            .release_capacity(piece.len())
            .unwrap();
        came.extend_from_slice(&piece);
    }
    came
}

#[test]
fn a_stream_becomes_a_websocket_to_the_node() {
    let node = echo();
    let gateway = sockets(&node, true);
    in_time(async {
        let (answer, mut send) = ask_for(&gateway, "websocket").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
        for field in ["sec-websocket-accept", "upgrade", "connection"] {
            assert!(!answer.headers().contains_key(field), "{field}");
        }
        let mut receive = answer.into_body();
        for number in 0..200 {
            let message = Bytes::from(format!("message {number}"));
            send.send_data(message.clone(), false).unwrap();
            assert_eq!(read(&mut receive, message.len()).await, message);
        }
        let large: Vec<u8> = (0..500_000_u32).map(|at| (at % 251) as u8).collect();
        send.send_data(Bytes::from(large.clone()), false).unwrap();
        assert!(read(&mut receive, large.len()).await == large);
        // The end goes through as well, in both directions.
        send.send_data(Bytes::new(), true).unwrap();
        while let Some(last) = receive.data().await {
            assert!(last.unwrap().is_empty());
        }
    });
}

#[test]
fn a_stream_is_opened_only_where_sockets_are_wanted_and_by_success() {
    let node = echo();
    for (enabled, protocol, status) in [
        (false, "websocket", StatusCode::METHOD_NOT_ALLOWED),
        (true, "connect-udp", StatusCode::BAD_REQUEST),
    ] {
        let gateway = sockets(&node, enabled);
        let (answer, _) = in_time(ask_for(&gateway, protocol));
        assert_eq!(answer.status(), status);
    }
    assert_eq!(node.connections(), 0);
    for (said, status) in [
        (ok("no switch"), StatusCode::BAD_GATEWAY),
        (
            b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_vec(),
            StatusCode::FORBIDDEN,
        ),
    ] {
        let node = Origin::raw(move |peer| {
            peer.read_head().unwrap();
            peer.write(&said);
        });
        let gateway = sockets(&node, true);
        let (answer, _) = in_time(ask_for(&gateway, "websocket"));
        assert_eq!(answer.status(), status);
    }
}

fn post(gateway: &Gateway) -> http::request::Builder {
    Request::post(format!("http://{}/", http(gateway)))
}

async fn informational(answer: &mut ResponseFuture) -> Option<http::Response<()>> {
    let next = std::future::poll_fn(|cx| answer.poll_informational(cx));
    next.await.map(Result::unwrap)
}

#[test]
fn interim_answers_go_on_and_an_expecting_client_is_invited() {
    let node = Origin::raw(|peer| {
        while let Some(head) = peer.read_head() {
            if head.header("content-length") == Some("2") {
                let mut body = [0; 2];
                std::io::Read::read_exact(&mut peer.reader, &mut body).unwrap();
            }
            peer.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x\r\nx: 1\r\n\r\n");
            peer.write(ok("done"));
        }
    });
    let gateway = proxy_to(nodes(&[node.address]));
    in_time(async {
        let mut sender = connect(&gateway).await;
        let request = post(&gateway)
            .header("expect", "100-continue")
            .header("content-length", "2");
        let request = request.body(()).unwrap();
        let (mut answer, mut send) = sender.send_request(request, false).unwrap();
        let invited = informational(&mut answer).await.expect("an invitation");
        assert_eq!(invited.status(), StatusCode::CONTINUE);
        send.send_data(Bytes::from("ok"), true).unwrap();
        let hints = informational(&mut answer).await.expect("hints");
        assert_eq!(hints.status(), StatusCode::EARLY_HINTS);
        assert_eq!(hints.headers()["link"], "</a>");
        assert!(!hints.headers().contains_key("x"));
        assert_eq!(answer.await.unwrap().status(), 200);
    });
}

#[test]
fn a_body_that_comes_too_slowly_is_given_up_unless_it_is_that_of_a_call() {
    let node = Origin::text("all of it");
    let settings = Settings {
        limits: Limits {
            body_rate_grace: Duration::from_millis(300),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let config = GatewayConfig {
        settings,
        ..config()
    };
    let gateway = start(config, Some(everything_to(nodes(&[node.address]))));
    in_time(async {
        let mut sender = connect(&gateway).await;
        let call = post(&gateway).header("content-type", "application/grpc");
        let (called, mut say) = sender.send_request(call.body(()).unwrap(), false).unwrap();
        let request = post(&gateway).body(()).unwrap();
        let (answer, _send) = sender.send_request(request, false).unwrap();
        assert_eq!(answer.await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
        say.send_data(Bytes::from_static(b"at last"), true).unwrap();
        let mut body = called.await.unwrap().into_body();
        let text = body.data().await.unwrap().unwrap();
        assert_eq!(text, "all of it");
    });
}
