//! Against real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use weir_plugin_api::outside::{
    CallError, HttpCall, HttpProxy, Outside, RedisAddress, RedisCall, RedisServer, SocketKind,
    SocketTarget,
};

use super::Clients;

fn clients() -> Clients {
    Clients::new(Handle::current())
}

/// Accepts connections and gives each to `serve`.
async fn server<F, S>(serve: S) -> u16
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &'static str) {
    let mut request = [0; 1024];
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn get(port: u16) -> HttpCall {
    HttpCall::new(
        Method::GET,
        format!("http://127.0.0.1:{port}/a").parse().unwrap(),
    )
}

#[tokio::test]
async fn an_exchange_gives_status_headers_and_body() {
    let port = server(|s| {
        answer(
            s,
            "HTTP/1.1 403 No\r\nx-a: b\r\ncontent-length: 2\r\n\r\nhi",
        )
    })
    .await;
    let answer = clients().http(get(port)).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(answer.headers["x-a"], "b");
    assert_eq!(answer.body, "hi");
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_an_error() {
    let port = server(|s| answer(s, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789")).await;
    let call = HttpCall {
        max_answer: 8,
        ..get(port)
    };
    let error = clients().http(call).await.unwrap_err();
    assert!(
        matches!(error, CallError::TooLarge { limit: 8, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn connections_are_kept_as_each_call_wants_it() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    let port = server(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    })
    .await;
    let clients = clients();
    for (keepalive, max_idle, kept) in [(true, 5, true), (true, 0, false), (false, 5, false)] {
        let before = accepted.load(Ordering::SeqCst);
        for _ in 0..20 {
            let call = HttpCall {
                keepalive,
                max_idle,
                idle: Duration::from_secs(20),
                ..get(port)
            };
            assert_eq!(clients.http(call).await.unwrap().body, "hi");
        }
        let connections = accepted.load(Ordering::SeqCst) - before;
        // One is put back a moment after its answer.
        assert_eq!(connections < 20, kept, "{connections} with {max_idle}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_the_limit_and_no_more() {
    let port = server(|mut s| async move {
        let mut request = [0; 64];
        while s.read(&mut request).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let call = HttpCall {
        timeout: Duration::from_millis(50),
        ..get(port)
    };
    let error = clients().http(call).await.unwrap_err();
    assert!(
        matches!(error, CallError::Timeout { limit_ms: 50, .. }),
        "{error}"
    );
}

/// The head of a request; `None` when it never came.
async fn head_of(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A proxy: what it answers, and the head that it was asked with.
async fn proxy(answer: &'static str) -> (Arc<HttpProxy>, Arc<Mutex<String>>) {
    proxy_to(None, answer).await
}

/// A proxy that leads on to a port of this machine once it has answered.
async fn proxy_to(port: Option<u16>, answer: &'static str) -> (Arc<HttpProxy>, Arc<Mutex<String>>) {
    let asked = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&asked);
    let port = server(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            let Some(head) = head_of(&mut stream).await else {
                return;
            };
            told.lock().unwrap().push_str(&head);
            _ = stream.write_all(answer.as_bytes()).await;
            if let Some(port) = port {
                let mut behind = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                _ = copy_bidirectional(&mut stream, &mut behind).await;
            }
        }
    })
    .await;
    let proxy = HttpProxy {
        uri: format!("http://127.0.0.1:{port}").parse().unwrap(),
        authorization: Some(HeaderValue::from_static("Basic Zm9vOmJhcg==")),
    };
    (Arc::new(proxy), asked)
}

fn by(proxy: &Arc<HttpProxy>, uri: &str) -> HttpCall {
    HttpCall {
        proxy: Some(Arc::clone(proxy)),
        ..HttpCall::new(Method::GET, uri.parse().unwrap())
    }
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_target() {
    let (proxy, asked) = proxy("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let answer = clients().http(by(&proxy, "http://op.test:81/a?b=c")).await;
    assert_eq!(answer.unwrap().body, "hi");
    let head = asked.lock().unwrap().clone();
    assert!(
        head.starts_with("GET http://op.test:81/a?b=c HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("host: op.test:81\r\n"), "{head}");
    assert!(
        head.contains("proxy-authorization: Basic Zm9vOmJhcg==\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_may_refuse_it() {
    let (proxy, asked) = proxy("HTTP/1.1 407 Who are you\r\n\r\n").await;
    let error = clients().http(by(&proxy, "https://op.test/a")).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("refuses CONNECT"), "{error}");
    assert!(error.contains("407 Who are you"), "{error}");
    let head = asked.lock().unwrap().clone();
    assert_eq!(
        head,
        "CONNECT op.test:443 HTTP/1.1\r\nHost: op.test:443\r\nProxy-Authorization: Basic Zm9vOmJhcg==\r\n\r\n"
    );
}

/// A server that speaks TLS with a certificate of its own: the heads that it was asked with.
async fn secure() -> (u16, Arc<Mutex<String>>) {
    let made = rcgen::generate_simple_self_signed(vec!["op.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(weir_net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let asked = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&asked);
    let port = server(move |stream| {
        let (acceptor, told) = (acceptor.clone(), Arc::clone(&told));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            while let Some(head) = head_of(&mut stream).await {
                told.lock().unwrap().push_str(&head);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    (port, asked)
}

#[tokio::test]
async fn calls_go_through_the_tunnel_that_a_proxy_makes() {
    for agreement in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 299 As you like\r\nX-Via: me\r\n\r\n",
    ] {
        let (port, seen) = secure().await;
        let (proxy, asked) = proxy_to(Some(port), agreement).await;
        let clients = clients();
        for path in ["/a", "/b"] {
            let call = HttpCall {
                verify: false,
                ..by(&proxy, &format!("https://op.test:8443{path}"))
            };
            let answer = clients.http(call).await.unwrap();
            assert_eq!(answer.body, "hi");
        }
        // One tunnel for both, which knows nothing of them; the server knows nothing of the proxy.
        let connect = "CONNECT op.test:8443 HTTP/1.1\r\nHost: op.test:8443\r\n\
                       Proxy-Authorization: Basic Zm9vOmJhcg==\r\n\r\n";
        assert_eq!(*asked.lock().unwrap(), connect);
        let seen = seen.lock().unwrap().clone();
        assert!(seen.starts_with("GET /a HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("GET /b HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("host: op.test:8443\r\n"), "{seen}");
        assert!(!seen.to_lowercase().contains("proxy-"), "{seen}");
    }
}

#[tokio::test]
async fn who_is_at_the_end_of_a_tunnel_is_verified() {
    let (port, seen) = secure().await;
    let (proxy, _) = proxy_to(Some(port), "HTTP/1.1 200 OK\r\n\r\n").await;
    let error = clients().http(by(&proxy, "https://op.test/")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(*seen.lock().unwrap(), "");
}

#[tokio::test]
async fn a_proxy_may_not_answer_without_end() {
    let long: &'static str = Box::leak("x".repeat(9000).into_boxed_str());
    let (proxy, _) = proxy(long).await;
    let error = clients().http(by(&proxy, "https://op.test/")).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("answers CONNECT with too much"), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = clients().http(get(port)).await.unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let redis = Arc::new(RedisServer {
        address: RedisAddress::Single("127.0.0.1".into(), port),
        username: None,
        password: None,
        database: 0,
        tls: None,
        timeout: Duration::from_millis(500),
    });
    let call = RedisCall {
        script: "return 1",
        keys: Vec::new(),
        args: Vec::new(),
    };
    let error = clients().redis(&redis, call).await.unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

fn target(kind: SocketKind, port: u16) -> Arc<SocketTarget> {
    Arc::new(SocketTarget {
        kind,
        host: "127.0.0.1".into(),
        port,
        server_name: None,
        timeout: Duration::from_secs(2),
        keepalive: Duration::from_secs(60),
        lane: 0,
    })
}

#[tokio::test]
async fn writes_share_a_connection_until_it_is_closed() {
    let (seen, mut written) = tokio::sync::mpsc::unbounded_channel();
    // Each connection takes two writes of two bytes and is closed.
    let port = server(move |mut s| {
        let seen = seen.clone();
        async move {
            let mut bytes = [0; 4];
            s.read_exact(&mut bytes).await.unwrap();
            seen.send(bytes).unwrap();
        }
    })
    .await;
    let (clients, target) = (clients(), target(SocketKind::Tcp, port));
    for pair in [["a\n", "b\n"], ["c\n", "d\n"]] {
        for line in pair {
            clients.send(&target, Bytes::from(line)).await.unwrap();
        }
        assert_eq!(&written.recv().await.unwrap(), pair.concat().as_bytes());
        // The close must have arrived before the next write, which would be lost otherwise.
        tokio::time::timeout(Duration::from_secs(2), closed(&clients, &target))
            .await
            .unwrap();
    }
}

async fn closed(clients: &Clients, target: &Arc<SocketTarget>) {
    while !clients.sockets.is_stale(target).await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_datagram_is_one_write() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = target(SocketKind::Udp, socket.local_addr().unwrap().port());
    clients().send(&target, Bytes::from("hello")).await.unwrap();
    let mut bytes = [0; 16];
    let read = socket.recv(&mut bytes).await.unwrap();
    assert_eq!(&bytes[..read], b"hello");
}
