//! HTTP/2 towards nodes, trailers in both versions, streams in both directions at once.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use weir_proxy::gateway::Gateway;

use super::authority::{Authority, server_with};
use super::client::{Client, ask, get};
use super::h2_node::{Answering, H2Node, echo, send, text};
use super::origin::{Origin, ok};
use super::setup::{config, everything_to, http, in_time, nodes, proxy_to, start, with};

fn over_h2(node: &H2Node, more: Value) -> Value {
    with(
        with(nodes(&[node.address]), json!({"http_version": "2"})),
        more,
    )
}

/// An HTTP/2 client of the gateway.
async fn connect(gateway: &Gateway) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(http(gateway)).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn post(gateway: &Gateway) -> Request<()> {
    let uri = format!("http://{}/svc/Method", http(gateway));
    let request = Request::post(uri)
        .header("te", "trailers")
        .header("x-sent", "1");
    request.body(()).unwrap()
}

#[test]
fn requests_share_one_connection() {
    let node = H2Node::start(|_, _, mut respond: SendResponse<Bytes>| -> Answering {
        Box::pin(async move {
            // Long enough for the others to come meanwhile.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from("h2"), true).unwrap();
        })
    });
    let gateway = proxy_to(over_h2(&node, json!({})));
    let address = http(&gateway);
    let clients = (0..20).map(|_| std::thread::spawn(move || ask(address, get("/"))));
    for client in clients.collect::<Vec<_>>() {
        assert_eq!(client.join().unwrap().text(), "h2");
    }
    assert_eq!((node.connections(), node.requests()), (1, 20));
}

#[test]
fn connection_serves_as_many_requests_as_it_may() {
    let node = H2Node::start(text("h2"));
    let gateway = proxy_to(over_h2(&node, json!({"keepalive_pool": {"requests": 2}})));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..5 {
        assert_eq!(client.ask(get("/")).text(), "h2");
    }
    assert_eq!(node.connections(), 3);
}

#[test]
fn streams_go_both_ways_at_once_and_trailers_follow() {
    let node = H2Node::start(echo());
    for upstream in [
        over_h2(&node, json!({})),
        with(nodes(&[node.address]), json!({"scheme": "grpc"})),
    ] {
        let gateway = proxy_to(upstream);
        in_time(async {
            let mut client = connect(&gateway).await;
            let (answer, mut up) = client.send_request(post(&gateway), false).unwrap();
            up.send_data(Bytes::from("one"), false).unwrap();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["x-te"], "trailers");
            assert_eq!(answer.headers()["x-sent"], "1");
            assert_eq!(answer.headers()["x-authority"], http(&gateway).to_string());
            assert!(!answer.headers().contains_key("x-length"));
            let mut down = answer.into_body();
            assert_eq!(down.data().await.unwrap().unwrap(), "one");
            // The second piece is sent only when the first has come back.
            up.send_data(Bytes::from("two"), false).unwrap();
            assert_eq!(down.data().await.unwrap().unwrap(), "two");
            let mut trailers = HeaderMap::new();
            trailers.insert("x-begin", "kept".parse().unwrap());
            trailers.insert("content-length", "9".parse().unwrap());
            up.send_trailers(trailers).unwrap();
            assert!(down.data().await.is_none());
            let end = down.trailers().await.unwrap().unwrap();
            assert_eq!(
                (&end["x-end"], &end["grpc-status"]),
                (&"kept".parse().unwrap(), &"0".parse().unwrap())
            );
        });
    }
    assert_eq!(node.connections(), 2);
}

#[test]
fn large_bodies_pass_in_step_with_the_slower_side() {
    let node = H2Node::start(echo());
    let gateway = proxy_to(over_h2(&node, json!({})));
    let body = Bytes::from(
        (0..3_000_000_u32)
            .map(|at| (at % 249) as u8)
            .collect::<Vec<_>>(),
    );
    in_time(async {
        let mut client = connect(&gateway).await;
        let (answer, mut up) = client.send_request(post(&gateway), false).unwrap();
        let sent = body.clone();
        tokio::spawn(async move {
            send(&mut up, sent).await.unwrap();
            up.send_data(Bytes::new(), true).unwrap();
        });
        let mut down = answer.await.unwrap().into_body();
        let mut came = Vec::new();
        while let Some(piece) = down.data().await {
            let piece = piece.unwrap();
            down.flow_control().release_capacity(piece.len()).unwrap();
            came.extend_from_slice(&piece);
        }
        assert!(came == body);
    });
}

#[test]
fn clients_of_http1_reach_nodes_of_http2_with_trailers() {
    let node = H2Node::start(echo());
    let gateway = proxy_to(over_h2(&node, json!({})));
    let mut client = Client::connect(http(&gateway));
    client.send(
        "POST / HTTP/1.1\r\nhost: t\r\nte: trailers\r\ntrailer: x-begin\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nx-begin: yes\r\n\r\n",
    );
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("x-te"), Some("trailers"));
    let mut rest = [0; 60];
    let expected = b"3\r\nabc\r\n0\r\nx-end: yes\r\ngrpc-status: 0\r\n\r\n";
    std::io::Read::read_exact(&mut client.reader, &mut rest[..expected.len()]).unwrap();
    assert_eq!(&rest[..expected.len()], expected);
    // A body of known length is told.
    let answer = client.ask("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\n\r\nabc");
    assert_eq!(
        (answer.text(), answer.header("x-length")),
        ("abc", Some("3"))
    );
}

#[test]
fn trailers_pass_between_nodes_and_clients_of_http1() {
    let node = Origin::raw(|peer| {
        while let Some(head) = peer.read_head() {
            assert_eq!(head.header("te"), None);
            assert_eq!(head.header("trailer"), Some("x-begin"));
            let mut body = [0; 30];
            let sent = b"1\r\na\r\n0\r\nx-begin: kept\r\n\r\n";
            std::io::Read::read_exact(&mut peer.reader, &mut body[..sent.len()]).unwrap();
            assert_eq!(&body[..sent.len()], sent);
            peer.write(
                "HTTP/1.1 200 OK\r\ntrailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n\
                 1\r\nb\r\n0\r\nx-end: told\r\nHost: never\r\n\r\n",
            );
        }
    });
    let gateway = proxy_to(nodes(&[node.address]));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..2 {
        client.send(
            "POST / HTTP/1.1\r\nhost: t\r\nTE: trailers\r\nTrailer: x-begin\r\n\
             transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-begin: kept\r\nTE: never\r\n\r\n",
        );
        assert_eq!(client.head().status, 200);
        let expected = b"1\r\nb\r\n0\r\nx-end: told\r\n\r\n";
        let mut rest = vec![0; expected.len()];
        std::io::Read::read_exact(&mut client.reader, &mut rest).unwrap();
        assert_eq!(rest, expected);
    }
    assert_eq!(node.connections(), 1);
}

#[test]
fn malformed_trailers_break_the_answer_off() {
    let node = Origin::raw(|peer| {
        if peer.read().is_some() {
            peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx y: 1\r\n\r\n");
        }
    });
    let gateway = proxy_to(nodes(&[node.address]));
    let mut client = Client::connect(http(&gateway));
    client.send(get("/"));
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut client.reader, &mut rest);
    assert!(!String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
}

/// Refuses the first request, answers the others.
fn refusing_once() -> H2Node {
    H2Node::start(|number, _, mut respond: SendResponse<Bytes>| -> Answering {
        Box::pin(async move {
            if number == 0 {
                respond.send_reset(Reason::REFUSED_STREAM);
                return;
            }
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from("then"), true).unwrap();
        })
    })
}

#[test]
fn refused_request_is_tried_again_whatever_its_method() {
    let node = refusing_once();
    let gateway = proxy_to(over_h2(&node, json!({"retries": 1})));
    let post = "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\n\r\nx";
    assert_eq!(ask(http(&gateway), post).text(), "then");
    assert_eq!(node.requests(), 2);
    let only = refusing_once();
    let gateway = proxy_to(over_h2(&only, json!({"retries": 0})));
    assert_eq!(ask(http(&gateway), post).status, 502);
}

#[test]
fn node_that_goes_away_costs_no_try() {
    let node = H2Node::leaving_after(2, text("still here"));
    let gateway = proxy_to(over_h2(&node, json!({"retries": 0})));
    let mut client = Client::connect(http(&gateway));
    for _ in 0..7 {
        let answer = client.ask("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n");
        assert_eq!((answer.status, answer.text()), (200, "still here"));
    }
    assert_eq!(node.requests(), 7);
}

#[test]
fn node_that_speaks_something_else_gets_502() {
    let node = Origin::raw(|peer| {
        peer.write(ok("no frames"));
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut peer.reader, &mut rest);
    });
    let upstream = with(
        nodes(&[node.address]),
        json!({"scheme": "grpc", "retries": 0}),
    );
    assert_eq!(ask(http(&proxy_to(upstream)), get("/")).status, 502);
}

#[test]
fn silent_node_is_given_up_and_its_connection_with_it() {
    let node = H2Node::start(|_, request, respond: SendResponse<Bytes>| -> Answering {
        Box::pin(async move {
            let _kept = (request, respond);
            std::future::pending::<()>().await;
        })
    });
    let limits = json!({"timeout": {"connect": 1, "send": 1, "read": 0.3}, "retries": 0});
    let gateway = proxy_to(over_h2(&node, limits));
    assert_eq!(ask(http(&gateway), get("/")).status, 504);
}

#[test]
fn version_is_agreed_on_over_tls() {
    let authority = Authority::new();
    let issued = authority.issue("node.test");
    let both = H2Node::tls(
        server_with(&issued, None, &[b"h2", b"http/1.1"]),
        text("two"),
    );
    let old = Origin::text_tls(server_with(&issued, None, &[]), "one");
    let tls = json!({"verify": true, "ca_certs": authority.pem()});
    let base = json!({"scheme": "https", "http_version": "auto", "pass_host": "rewrite",
                      "upstream_host": "node.test", "tls": tls});
    for (address, expected) in [(both.address, "two"), (old.address, "one")] {
        let gateway = start(
            config(),
            Some(everything_to(with(nodes(&[address]), base.clone()))),
        );
        let mut client = Client::connect(http(&gateway));
        for _ in 0..3 {
            assert_eq!(client.ask(get("/")).text(), expected);
        }
    }
    assert_eq!((both.connections(), old.connections()), (1, 1));
    let grpcs = with(
        with(nodes(&[both.address]), base),
        json!({"scheme": "grpcs"}),
    );
    assert_eq!(ask(http(&proxy_to(grpcs)), get("/")).text(), "two");
}
