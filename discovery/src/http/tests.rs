use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that reads a little, writes `answer`, and closes unless it `hangs`.
async fn serving(answer: Vec<u8>, hangs: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                if hangs {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}

fn client(tls: &RegistryTls) -> Client {
    Client::new(Duration::from_secs(5), tls, &|_| None).unwrap()
}

async fn ask(scheme: &str, address: SocketAddr, limit: Duration) -> Result<Answer, Error> {
    let server = Server::parse(&format!("{scheme}://{address}")).unwrap();
    let client = client(&RegistryTls {
        verify: false,
        ..RegistryTls::default()
    });
    client.send(&server, Call::get("/x", limit)).await
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_whole_answer_is_read() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-consul-index: 7\r\n\r\n[12]";
    let address = serving(answer.to_vec(), false).await;
    let answer = ask("http", address, LONG).await.unwrap();
    assert_eq!(answer.json::<Vec<u32>>().unwrap(), [12]);
    assert_eq!(answer.header("x-consul-index"), Some("7"));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let kind = async |answer: &[u8], hangs: bool, limit: Duration| {
        let address = serving(answer.to_vec(), hangs).await;
        ask("http", address, limit).await.unwrap_err().kind
    };
    let short = Duration::from_millis(300);
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n[1,";
    assert_eq!(kind(b"", false, LONG).await, ErrorKind::Unreachable);
    assert_eq!(kind(head, false, LONG).await, ErrorKind::Unreachable);
    assert_eq!(kind(b"", true, short).await, ErrorKind::Timeout);
    assert_eq!(kind(head, true, short).await, ErrorKind::Timeout);
    assert_eq!(
        kind(b"garbage\r\n\r\n", false, LONG).await,
        ErrorKind::Malformed
    );
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let error = ask("http", address, LONG).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    let address = serving(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false).await;
    let error = ask("https", address, LONG).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn statuses_and_bodies_are_judged() {
    let kind = async |answer: &str| {
        let address = serving(answer.as_bytes().to_vec(), false).await;
        let answer = ask("http", address, LONG).await.unwrap();
        answer.json::<Vec<u32>>().unwrap_err()
    };
    let error = kind("HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\n\r\nACL not found").await;
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(
        error.to_string().ends_with("answered 403: ACL not found"),
        "{error}"
    );
    let error = kind("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(error.kind, ErrorKind::Failed);
    let error = kind("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"no\": 1}").await;
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_at_the_limit() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.extend(vec![b' '; 5000]);
    let address = serving(answer, true).await;
    let mut client = client(&RegistryTls::default());
    client.body_limit = 4000;
    let server = Server::parse(&format!("http://{address}")).unwrap();
    let error = client
        .send(&server, Call::get("/", LONG))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
}

#[test]
fn tls_settings_that_cannot_work_are_refused() {
    let refused = |tls: RegistryTls| {
        let client = Client::new(LONG, &tls, &|_| None);
        client
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let ca = refused(RegistryTls {
        ca: Some("no pem".to_owned()),
        ..RegistryTls::default()
    });
    assert!(ca.starts_with("tls.ca: expected certificates"), "{ca}");
    let key = refused(RegistryTls {
        verify: false,
        client_cert: Some("x".to_owned()),
        client_key: Some("$env://KEY".to_owned()),
        ..RegistryTls::default()
    });
    assert!(key.starts_with("tls.client_cert"), "{key}");
}
