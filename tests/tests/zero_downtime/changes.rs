//! Changes of every kind of object, under load of every kind: no request fails, no connection and no
//! stream is closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use weir_tests::agent::revision;
use weir_tests::grpc_node::{GrpcNode, Raw, method};
use weir_tests::{EchoNode, Plan, Steady, TimedOrigin, address};

use crate::setup::{Bench, soak_time};

/// A call that sends a message, waits for its echo, and so on, over one stream.
struct Echoing {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Result<(), String>>,
}

impl Echoing {
    async fn start(url: String) -> Self {
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let task = tokio::spawn(async move {
            let mut client = Grpc::new(channel);
            client.ready().await.map_err(|error| error.to_string())?;
            let (send, messages) = mpsc::channel(1);
            let request = Request::new(ReceiverStream::new(messages));
            let answer = client.streaming(request, method("echo"), Raw).await;
            let mut answers = answer.map_err(|status| status.to_string())?.into_inner();
            while !stopped.load(Ordering::Relaxed) {
                let gone = |_| "the stream takes no more messages".to_owned();
                send.send(b"tick".to_vec()).await.map_err(gone)?;
                match answers.message().await {
                    Ok(Some(message)) if message == b"tick" => {}
                    other => return Err(format!("{other:?}")),
                }
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        });
        Self { stop, count, task }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap().expect("the call goes on");
        self.count.load(Ordering::Relaxed)
    }
}

/// Ports of the stream routes.
const PORTS: [u16; 2] = [9100, 9101];
/// Kinds of changes.
const KINDS: u64 = 24;

/// What is changed, in turns. `{path, document}`; no document means that the object is removed.
struct Changes {
    origin: String,
    second: String,
    echo: String,
    certificates: Vec<(String, String)>,
}

impl Changes {
    fn new(origin: &TimedOrigin, second: &TimedOrigin, echo: &EchoNode) -> Self {
        let certificate = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
        };
        Self {
            origin: origin.node(),
            second: second.node(),
            echo: echo.node(),
            certificates: vec![certificate("steady.test"), certificate("steady.test")],
        }
    }

    /// Change number `n`. All that the load uses is among them.
    fn of(&self, n: u64) -> (String, Option<Value>) {
        let round = n / KINDS;
        let odd = round % 2 == 1;
        let other = format!("other-{}", round % 50);
        let nodes = if odd {
            json!({&self.origin: 1, &self.second: 3})
        } else {
            json!({&self.origin: 2})
        };
        let (certificate, key) = &self.certificates[usize::from(odd)];
        let write = |path: &str, document: Value| (path.to_owned(), Some(document));
        match n % KINDS {
            0 => write(
                "upstreams/origin",
                json!({"nodes": nodes, "retries": round % 3, "keepalive_pool": {"size": 64 + round % 7}}),
            ),
            1 => write(
                "services/steady",
                json!({"upstream_id": "origin", "desc": format!("round {round}")}),
            ),
            2 => write(
                "routes/all",
                json!({"uri": "/*", "service_id": "steady", "priority": round % 5,
                    "plugin_config_id": "steady"}),
            ),
            3 => write(
                "plugin_configs/steady",
                json!({"plugins": {"response-rewrite": {"headers": {"set": {"x-round": round.to_string()}}}}}),
            ),
            4 => write(
                "global_rules/steady",
                json!({"plugins": {"proxy-rewrite": {"headers": {"set": {"x-all": round.to_string()}}}}}),
            ),
            5 => write(
                "consumers/jack",
                json!({"username": "jack", "plugins": {"key-auth": {"key": format!("key-{round}")}}}),
            ),
            6 => write(
                "ssls/steady",
                json!({"snis": ["steady.test"], "cert": certificate, "key": key}),
            ),
            7 => write(
                "plugin_metadata/limit-count",
                json!({"limit_header": format!("X-Limit-{}", round % 9)}),
            ),
            8 => write(&format!("upstreams/{other}"), json!({"nodes": nodes})),
            9 => write(
                &format!("routes/{other}"),
                json!({"uri": format!("/{other}/*"), "upstream_id": other,
                    "plugins": {"limit-count": {"count": 5, "time_window": 60}}}),
            ),
            10 => write(
                "consumer_groups/steady",
                json!({"plugins": {"limit-req": {"rate": 100 + round % 5, "burst": 5, "key": "remote_addr"}}}),
            ),
            11 => write(
                "upstreams/origin",
                json!({"nodes": nodes, "type": if odd { "least_conn" } else { "roundrobin" },
                    "checks": {"active": {"http_path": "/up", "healthy": {"interval": 1}}}}),
            ),
            12 => write(
                "routes/keyed",
                json!({"uri": "/keyed", "service_id": "steady", "plugins": {"key-auth": {}},
                    "vars": [["arg_round", "==", round.to_string()]]}),
            ),
            13 => (format!("routes/{other}"), None),
            14 => (format!("upstreams/{other}"), None),
            // Those that are open stay so, also where none may be opened any more.
            15 => write(
                "routes/socket",
                json!({"uri": "/socket", "priority": 100, "service_id": "steady", "enable_websocket": !odd}),
            ),
            16 => write(
                "stream_routes/steady",
                json!({"server_port": PORTS[0], "upstream_id": "echo", "desc": format!("round {round}")}),
            ),
            17 => write(
                "upstreams/echo",
                json!({"nodes": {&self.echo: 1 + round % 3}, "type": if odd { "least_conn" } else { "roundrobin" }}),
            ),
            18 => write(
                "stream_routes/passing",
                json!({"server_port": PORTS[1], "upstream": {"nodes": {"127.0.0.1:1": 1}}}),
            ),
            19 => ("stream_routes/passing".to_owned(), None),
            20 => write(
                "secrets/vault/steady",
                json!({"uri": "http://127.0.0.1:1", "prefix": format!("kv/{round}"), "token": "x"}),
            ),
            21 => write(
                "consumers/jack/credentials/steady",
                json!({"plugins": {"key-auth": {"key": format!("other-{round}")}}}),
            ),
            22 => write(
                "protos/steady",
                json!({"content": format!("syntax = \"proto3\"; message M{round} {{ string a = 1; }}")}),
            ),
            _ => write(
                "upstreams/origin",
                json!({"nodes": {&self.origin: 1}, "type": "chash", "key": "remote_addr",
                    "timeout": {"connect": 5, "send": 30, "read": 30 + round % 3}}),
            ),
        }
    }
}

/// Makes `count` changes under the load of `plan`; nothing may happen to any client.
async fn change(count: u64, limit: Duration, clients: usize) {
    let ip = address::fresh();
    let relayed = PORTS.map(|port| SocketAddr::new(ip.into(), port));
    let listeners = relayed.map(|address| address.to_string()).join(",");
    let bench = Bench::start(&["--workers", "2", "--stream-tcp", &listeners]).await;
    let node = GrpcNode::start().await;
    let second = TimedOrigin::start("second").await;
    let grpc = json!({"uri": "/weir.test.Echo/*", "priority": 100,
        "upstream": {"scheme": "grpc", "nodes": {node.node(): 1}}});
    bench.put("routes/grpc", &grpc).await;
    let service = json!({"upstream_id": "origin"});
    bench.put("services/steady", &service).await;
    let empty = json!({"plugins": {}});
    bench.put("plugin_configs/steady", &empty).await;
    let echo = EchoNode::start().await;
    let changes = Changes::new(&bench.origin, &second, &echo);
    let upstream = json!({"nodes": {echo.node(): 1}});
    bench.put("upstreams/echo", &upstream).await;
    for (id, port) in [("steady", PORTS[0]), ("passing", PORTS[1])] {
        let route = json!({"server_port": port, "upstream_id": "echo"});
        bench.put(&format!("stream_routes/{id}"), &route).await;
    }
    let socket = json!({"uri": "/socket", "priority": 100, "service_id": "steady", "enable_websocket": true});
    bench.put("routes/socket", &socket).await;
    let plan = Plan {
        keep_alive: clients,
        fresh: 2,
        sockets: 2,
        http2_sockets: 2,
        relayed: [relayed, relayed].concat(),
        ..Plan::mixed(bench.agent.http(), "/x")
    };
    let steady = Steady::start(&plan).await;
    let echoing = Echoing::start(bench.agent.url("")).await;
    // All are open before anything changes.
    steady.opened(&plan).await;
    let (began, mut last) = (Instant::now(), None);
    let mut done = 0;
    while done < count && began.elapsed() < limit {
        let (path, document) = changes.of(done);
        let (method, body) = match document {
            Some(document) => (Method::PUT, document),
            None => (Method::DELETE, Value::Null),
        };
        let answer = bench.cluster.nodes[0].try_admin(method, &path, &body).await;
        let answer = answer.unwrap();
        assert!(
            answer.status.is_success(),
            "change {done}, {path}: {} {}",
            answer.status,
            answer.text()
        );
        last = Some(revision(&answer));
        done += 1;
    }
    bench.agent.applied(last.unwrap()).await;
    let took = began.elapsed();
    steady.more(50).await;
    let report = steady.stop().await;
    let echoes = echoing.stop().await;
    println!(
        "{done} changes in {took:.1?}: {} answers ({:.0}/s), {} pieces of streams, {echoes} echoes, {} problems",
        report.answered,
        report.answered as f64 / took.as_secs_f64(),
        report.pieces,
        report.problems.len(),
    );
    report.assert_untouched();
    assert!(echoes > 0 && report.pieces > 0, "{report:?}");
    let status = bench.agent.status().await.unwrap();
    assert_eq!(status["last_nack"], Value::Null, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_fails_a_request_or_closes_a_connection() {
    change(20 * KINDS, Duration::from_secs(60), 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_changes_of_every_kind() {
    change(10_000, soak_time().max(Duration::from_secs(1800)), 20).await;
}
