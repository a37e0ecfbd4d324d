use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weir_proxy::gateway::{Gateway, GatewayConfig};

use super::origin::{Origin, ok};
use super::setup::{config, everything_to, http, nodes, proxy_to, runtime, start};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// One exchange over HTTP/2 on a stream.
async fn exchange<S>(stream: S, uri: &str, body: Vec<u8>) -> (u16, Vec<u8>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let request = Request::post(uri)
        .version(Version::HTTP_2)
        .body(Full::from(body))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec();
    drop(sender);
    driver.abort();
    (status, body)
}

#[test]
fn cleartext_http2_is_spoken_on_the_same_port() {
    let origin = Origin::answering(|seen| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            seen.body.len()
        )
        .into_bytes();
        answer.extend_from_slice(&seen.body);
        answer
    });
    let gateway = proxy_to(nodes(&[origin.address]));
    let body = vec![5; 1_000_000];
    let (status, echoed) = block_on(async {
        let stream = TcpStream::connect(http(&gateway)).await.unwrap();
        exchange(stream, "http://h2.test/path", body.clone()).await
    });
    assert_eq!(status, 200);
    assert!(echoed == body);
    let seen = origin.last();
    assert_eq!(seen.header("host"), Some("h2.test"));
    assert_eq!(seen.line, "POST /path HTTP/1.1");
}

#[test]
fn streams_of_one_connection_run_side_by_side() {
    let origin = Origin::answering(|seen| ok(seen.line.split(' ').nth(1).unwrap()));
    let gateway = proxy_to(nodes(&[origin.address]));
    block_on(async {
        let stream = TcpStream::connect(http(&gateway)).await.unwrap();
        let (sender, connection) =
            http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let mut open = Vec::new();
        for number in 0..50 {
            let mut sender = sender.clone();
            open.push(tokio::spawn(async move {
                let request = Request::get(format!("http://a/{number}"))
                    .body(Full::default())
                    .unwrap();
                let answer = sender.send_request(request).await.unwrap();
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, format!("/{number}"));
                Ok::<_, Infallible>(())
            }));
        }
        for task in open {
            task.await.unwrap().unwrap();
        }
    });
}

/// A self-signed certificate for these names, as an ssl object.
fn ssl(names: &[&str]) -> (Value, rcgen::Certificate) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let issued = rcgen::generate_simple_self_signed(names.clone()).unwrap();
    let object = json!({
        "snis": names,
        "cert": issued.cert.pem(),
        "key": issued.signing_key.serialize_pem(),
    });
    (object, issued.cert)
}

fn https() -> GatewayConfig {
    GatewayConfig {
        https: vec!["127.0.0.1:0".parse().unwrap()],
        ..config()
    }
}

async fn connect(
    gateway: &Gateway,
    name: &str,
    trusted: &[&rcgen::Certificate],
    alpn: &[&str],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.der().clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let addresses = gateway.addresses();
    let stream = match addresses.https.first() {
        Some(address) => TcpStream::connect(address).await.unwrap(),
        None => {
            let address = addresses.relayed_https[0];
            let mut stream = TcpStream::connect(address).await.unwrap();
            let line = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
            stream.write_all(line.as_bytes()).await.unwrap();
            stream
        }
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[test]
fn certificate_follows_the_server_name() {
    let (exact, exact_cert) = ssl(&["api.weir.test"]);
    let (wildcard, wildcard_cert) = ssl(&["*.weir.test"]);
    let resources = [("ssls/1", exact), ("ssls/2", wildcard)];
    let gateway = start(https(), Some(runtime(&resources)));
    block_on(async {
        // Each client trusts one certificate only, so the handshake tells which was offered.
        assert!(
            connect(&gateway, "api.weir.test", &[&exact_cert], &[])
                .await
                .is_ok()
        );
        assert!(
            connect(&gateway, "www.weir.test", &[&wildcard_cert], &[])
                .await
                .is_ok()
        );
        assert!(
            connect(&gateway, "api.weir.test", &[&wildcard_cert], &[])
                .await
                .is_err()
        );
        let both = [&exact_cert, &wildcard_cert];
        assert!(
            connect(&gateway, "a.b.weir.test", &both, &[])
                .await
                .is_err()
        );
        assert!(connect(&gateway, "other.test", &both, &[]).await.is_err());
    });
    super::setup::eventually("failures are counted", || {
        let mut text = String::new();
        gateway.metrics_text(&mut text);
        let failures = |kind: &str, count: u32| {
            text.contains(&format!(
                "weir_proxy_tls_handshake_failures_total{{kind=\"{kind}\"}} {count}\n"
            ))
        };
        failures("client_alert", 1) && failures("unknown_server_name", 2)
    });
}

#[test]
fn certificates_are_swapped_while_running() {
    let (first, first_cert) = ssl(&["api.weir.test"]);
    let (second, second_cert) = ssl(&["api.weir.test"]);
    let gateway = start(https(), Some(runtime(&[("ssls/1", first)])));
    block_on(async {
        assert!(
            connect(&gateway, "api.weir.test", &[&first_cert], &[])
                .await
                .is_ok()
        );
        gateway.publish(runtime(&[("ssls/1", second)]));
        assert!(
            connect(&gateway, "api.weir.test", &[&second_cert], &[])
                .await
                .is_ok()
        );
        assert!(
            connect(&gateway, "api.weir.test", &[&first_cert], &[])
                .await
                .is_err()
        );
    });
}

#[test]
fn requests_over_tls_are_proxied_with_both_protocols() {
    let origin = Origin::answering(|seen| ok(seen.header("x-forwarded-proto").unwrap()));
    let (object, certificate) = ssl(&["api.weir.test"]);
    let route = json!({ "uri": "/*", "upstream": nodes(&[origin.address]) });
    let gateway = start(
        https(),
        Some(runtime(&[("ssls/1", object), ("routes/1", route)])),
    );
    block_on(async {
        let stream = connect(&gateway, "api.weir.test", &[&certificate], &["h2"])
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let answer = exchange(stream, "https://api.weir.test/", Vec::new()).await;
        assert_eq!(answer, (200, b"https".to_vec()));
        let mut stream = connect(&gateway, "api.weir.test", &[&certificate], &["http/1.1"])
            .await
            .unwrap();
        let request = "GET / HTTP/1.1\r\nhost: api.weir.test\r\nconnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text)
            .await
            .unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("https"),
            "{text}"
        );
    });
}

#[test]
fn a_proxy_header_comes_before_the_handshake() {
    let origin = Origin::answering(|seen| ok(seen.header("x-real-ip").unwrap()));
    let (object, certificate) = ssl(&["api.weir.test"]);
    let route = json!({ "uri": "/*", "upstream": nodes(&[origin.address]) });
    let config = GatewayConfig {
        relayed_https: vec!["127.0.0.1:0".parse().unwrap()],
        ..config()
    };
    let resources = [("ssls/1", object), ("routes/1", route)];
    let gateway = start(config, Some(runtime(&resources)));
    block_on(async {
        let stream = connect(&gateway, "api.weir.test", &[&certificate], &["h2"])
            .await
            .unwrap();
        let answer = exchange(stream, "https://api.weir.test/", Vec::new()).await;
        assert_eq!(answer, (200, b"192.0.2.7".to_vec()));
    });
}

#[test]
fn http2_is_told_to_go_away_on_drain() {
    let origin = Origin::text("ok");
    let gateway = start(config(), Some(everything_to(nodes(&[origin.address]))));
    block_on(async {
        let stream = TcpStream::connect(http(&gateway)).await.unwrap();
        let (mut sender, connection) =
            http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let driver = tokio::spawn(connection);
        let request = Request::get("http://a/").body(Full::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
        let drained = gateway.drain(std::time::Duration::from_secs(20)).await;
        assert_eq!(drained.unfinished, 0);
        driver.await.unwrap().unwrap();
    });
}
