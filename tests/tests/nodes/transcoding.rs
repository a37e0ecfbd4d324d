//! Clients that speak no gRPC, and a node that speaks nothing else: the plugins `grpc-transcode` and
//! `grpc-web` in front of a tonic server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::client::{Answer, Client};
use weir_tests::grpc_node::GrpcNode;
use weir_tests::{Agent, Cluster};

/// The methods of the server: `unary` gives back what it gets, `refuse` ends with a status.
const PROTO: &str = r#"
syntax = "proto3";
package weir.test;
message Numbers { string name = 1; int64 large = 2; repeated int32 small = 3; uint32 code = 4; }
service Echo {
  rpc unary (Numbers) returns (Numbers);
  rpc refuse (Numbers) returns (Numbers);
  rpc echo (stream Numbers) returns (stream Numbers);
}
"#;

struct Bench {
    cluster: Cluster,
    agent: Agent,
    node: GrpcNode,
}

impl Bench {
    async fn start() -> Self {
        let node = GrpcNode::start().await;
        let cluster = Cluster::start(1).await;
        let agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        let proto = json!({"content": PROTO});
        cluster.nodes[0].put("protos/echo", &proto).await;
        Self {
            cluster,
            agent,
            node,
        }
    }

    async fn route(&self, uri: &str, plugins: Value) {
        let upstream = json!({"scheme": "grpc", "nodes": {self.node.node(): 1}});
        let route = json!({"uri": uri, "upstream": upstream, "plugins": plugins});
        let answer = self.cluster.nodes[0].put("routes/echo", &route).await;
        self.agent.applied(revision(&answer)).await;
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<bytes::Bytes>) -> Answer {
        let url = self.agent.url(path);
        let fields = [("content-type", content_type)];
        Client::default()
            .send(Method::POST, &url, &fields, body)
            .await
    }
}

fn transcode(method: &str, more: &Value) -> Value {
    let mut config = json!({"proto_id": "echo", "service": "weir.test.Echo", "method": method});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    json!({ "grpc-transcode": config })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_goes_to_a_method_and_comes_back() {
    let bench = Bench::start().await;
    bench.route("/echo", transcode("unary", &json!({}))).await;
    let message = json!({"name": "ä", "large": 9_007_199_254_740_993_i64, "small": [1, 2]});
    let answer = bench
        .post("/echo", "application/json", message.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    let expected =
        json!({"name": "ä", "large": 9_007_199_254_740_993_i64, "small": [1, 2], "code": 0});
    assert_eq!(answer.json(), expected);
    let answer = bench.agent.get("/echo?name=q&small=7").await.unwrap();
    assert_eq!(
        answer.json(),
        json!({"name": "q", "large": 0, "small": [7], "code": 0})
    );
    // Another definition counts at once.
    let proto = json!({"content": PROTO.replace("string name = 1", "string title = 1")});
    let written = bench.cluster.nodes[0].put("protos/echo", &proto).await;
    bench.agent.applied(revision(&written)).await;
    let answer = bench.agent.get("/echo?title=q").await.unwrap();
    assert_eq!(answer.json()["title"], "q");

    bench.route("/echo", transcode("refuse", &json!({}))).await;
    for (code, status) in [(5, 404), (7, 403), (14, 503)] {
        let answer = bench
            .agent
            .get(&format!("/echo?code={code}"))
            .await
            .unwrap();
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.text(), "");
    }
    let shown = json!({"show_status_in_body": true});
    bench.route("/echo", transcode("refuse", &shown)).await;
    let answer = bench.agent.get("/echo?code=5").await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let error = json!({"error": {"code": 5, "message": "gone", "details": []}});
    assert_eq!(answer.json(), error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_call_methods_and_read_their_trailers() {
    let bench = Bench::start().await;
    bench.route("/grpc/*", json!({"grpc-web": {}})).await;
    let binary = "application/grpc-web+proto";
    let path = "/grpc/weir.test.Echo/unary";
    let answer = bench.post(path, binary, &b"\0\0\0\0\x05hello"[..]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), binary);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let end = answer
        .body
        .strip_prefix(&b"\0\0\0\0\x05hello\x80"[..])
        .unwrap();
    assert!(end[4..].starts_with(b"grpc-status:0\r\n"), "{end:?}");
    let length = u32::from_be_bytes(end[..4].try_into().unwrap());
    assert_eq!(length as usize, end.len() - 4);

    let text = "application/grpc-web-text";
    let body = STANDARD.encode(b"\0\0\0\0\x06fail 5");
    let answer = bench.post(path, text, body).await;
    let decoded = STANDARD.decode(&answer.body).unwrap();
    let fields = String::from_utf8_lossy(&decoded[5..]).into_owned();
    assert_eq!(decoded[0], 0x80);
    assert!(fields.starts_with("grpc-status:5\r\n"), "{fields}");
    assert!(fields.contains("grpc-message:as%20asked"), "{fields}");

    let answer = bench.post(path, "application/json", "{}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}
