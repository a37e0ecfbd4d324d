//! gRPC through an agent: a tonic client, the built binary, a tonic server.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::grpc_node::{GrpcNode, Raw, method};
use weir_tests::wait::until;
use weir_tests::{Agent, Cluster};

struct Bench {
    cluster: Cluster,
    agent: Agent,
    client: Grpc<Channel>,
}

impl Bench {
    /// A cluster and an agent whose only route leads to `upstream`.
    async fn start(upstream: Value) -> Self {
        let cluster = Cluster::start(1).await;
        let agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        let endpoint = Endpoint::from_shared(agent.url("")).unwrap();
        let channel = endpoint.timeout(PATIENCE).connect().await.unwrap();
        let bench = Self {
            cluster,
            agent,
            client: Grpc::new(channel),
        };
        bench.route(upstream).await;
        bench
    }

    async fn route(&self, upstream: Value) {
        let route = json!({"uri": "/weir.test.Echo/*", "upstream": upstream});
        let answer = self.cluster.nodes[0].put("routes/echo", &route).await;
        self.agent.applied(revision(&answer)).await;
    }

    async fn unary(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Status> {
        let mut client = self.client.clone();
        client.ready().await.unwrap();
        client.unary(request, method("unary"), Raw).await
    }

    async fn ask(&self, message: &str) -> Result<String, Status> {
        let answer = self.unary(Request::new(message.into())).await?;
        Ok(String::from_utf8(answer.into_inner()).unwrap())
    }
}

fn to(nodes: &[&str]) -> Value {
    let list: Vec<Value> = (0..)
        .zip(nodes)
        .map(|(position, node)| {
            let (host, port) = node.rsplit_once(':').unwrap();
            let port: u16 = port.parse().unwrap();
            json!({"host": host, "port": port, "weight": 1, "priority": -position})
        })
        .collect();
    json!({"scheme": "grpc", "nodes": list})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unary_calls_pass_with_their_metadata_and_their_status() {
    let node = GrpcNode::start().await;
    let bench = Bench::start(to(&[&node.node()])).await;
    let mut request = Request::new(b"hello".to_vec());
    request
        .metadata_mut()
        .insert("x-ask", "me".parse().unwrap());
    let answer = bench.unary(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-asked").unwrap(), "me");
    assert_eq!(answer.into_inner(), b"hello");
    let large = vec![7; 3 * 1024 * 1024];
    let answer = bench.unary(Request::new(large.clone())).await.unwrap();
    assert!(answer.into_inner() == large);
    for code in [Code::NotFound, Code::PermissionDenied, Code::Unavailable] {
        let status = bench.ask(&format!("fail {}", code as i32)).await;
        let status = status.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, "as asked: ä"));
        assert_eq!(status.metadata().get("x-end").unwrap(), "of the call");
    }
    let mut client = bench.client.clone();
    client.ready().await.unwrap();
    let absent = client
        .unary(Request::new(Vec::new()), method("absent"), Raw)
        .await;
    let status = absent.map(|_| ()).unwrap_err();
    assert_eq!(status.message(), "no such method");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_stream_in_both_directions_as_they_come() {
    let node = GrpcNode::start().await;
    let bench = Bench::start(to(&[&node.node()])).await;
    let mut client = bench.client.clone();
    client.ready().await.unwrap();

    // From the server: all messages, then the trailers with status and metadata.
    let request = Request::new(b"1000,fail 5".to_vec());
    let counted = client.server_streaming(request, method("count"), Raw).await;
    let mut numbers = counted.unwrap().into_inner();
    for number in 0..1_000 {
        let message = numbers.next().await.unwrap().unwrap();
        assert_eq!(message, number.to_string().into_bytes());
    }
    let status = numbers.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.metadata().get("x-end").unwrap(), "of the call");

    // From the client.
    let messages = futures_util::stream::iter((0..500).map(|_| b"ab".to_vec()));
    let request = Request::new(messages);
    client.ready().await.unwrap();
    let joined = client.client_streaming(request, method("join"), Raw).await;
    assert_eq!(joined.unwrap().into_inner(), b"ab".repeat(500));

    // Both at once: each message comes back before the next is sent.
    let (sender, receiver) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(receiver));
    client.ready().await.unwrap();
    let echoed = client.streaming(request, method("echo"), Raw).await;
    let mut echoes = echoed.unwrap().into_inner();
    for number in 0..50 {
        let message = format!("message {number}").into_bytes();
        sender.send(message.clone()).await.unwrap();
        let echo = tokio::time::timeout(PATIENCE, echoes.next()).await.unwrap();
        assert_eq!(echo.unwrap().unwrap(), message);
    }
    sender.send(b"fail 10".to_vec()).await.unwrap();
    let status = echoes.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_the_gateway_have_a_status_that_clients_of_grpc_understand() {
    let refusing = TcpSocket::new_v4().unwrap();
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = refusing.local_addr().unwrap().to_string();
    let bench = Bench::start(to(&[&dead])).await;
    let refused = bench.ask("hello").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");

    let node = GrpcNode::start().await;
    bench.route(to(&[&dead, &node.node()])).await;
    assert_eq!(bench.ask("hello").await.unwrap(), "hello", "another node");

    let mut hasty = to(&[&node.node()]);
    hasty["timeout"] = json!({"connect": 1, "send": 1, "read": 0.3});
    bench.route(hasty).await;
    let mut client = bench.client.clone();
    client.ready().await.unwrap();
    let request = Request::new(Vec::new());
    let late = client.unary(request, method("hang"), Raw).await;
    let late = late.map(|_| ()).unwrap_err();
    assert_eq!(late.code(), Code::Unavailable, "{late:?}");
    until("the node hears of it", PATIENCE, || async {
        match node.hanging() {
            0 => Ok(()),
            other => Err(other),
        }
    })
    .await;

    let other = "/weir.test.Other/unary".parse().unwrap();
    client.ready().await.unwrap();
    let unrouted = client.unary(Request::new(Vec::new()), other, Raw).await;
    let unrouted = unrouted.map(|_| ()).unwrap_err();
    assert_eq!(unrouted.code(), Code::Unimplemented, "{unrouted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_leaves_ends_the_call_at_the_node() {
    let node = GrpcNode::start().await;
    let bench = Bench::start(to(&[&node.node()])).await;
    let mut client = bench.client.clone();
    client.ready().await.unwrap();
    let call = client.unary(Request::new(Vec::new()), method("hang"), Raw);
    let call = tokio::time::timeout(Duration::from_millis(300), call).await;
    assert!(call.is_err(), "nothing comes");
    until("the node hears of it", PATIENCE, || async {
        match node.hanging() {
            0 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(bench.ask("still here").await.unwrap(), "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_replaced_costs_no_call() {
    let (old, new) = (GrpcNode::start().await, GrpcNode::start().await);
    let bench = Bench::start(to(&[&old.node(), &new.node()])).await;
    let mut calls = tokio::task::JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    for _ in 0..4 {
        let (mut client, stopped) = (bench.client.clone(), stopped.clone());
        calls.spawn(async move {
            let mut done = 0_u32;
            while !*stopped.borrow() {
                client.ready().await.unwrap();
                let request = Request::new(b"hello".to_vec());
                client.unary(request, method("unary"), Raw).await.unwrap();
                done += 1;
            }
            done
        });
    }
    assert_eq!(bench.ask("before").await.unwrap(), "before");
    old.retire().await;
    for _ in 0..20 {
        assert_eq!(bench.ask("after").await.unwrap(), "after");
    }
    stop.send(true).unwrap();
    let done: u32 = calls.join_all().await.into_iter().sum();
    assert!(done > 20, "{done}");
}
