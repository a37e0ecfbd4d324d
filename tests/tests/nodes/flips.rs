//! Health under load: no request begins at a node once it is known to be unhealthy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;
use weir_tests::{Agent, Cluster, Load};

/// A back end that notes when each request came.
struct Node {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    sick: AtomicBool,
    came: Mutex<Vec<Duration>>,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

impl Node {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { address, state }
    }

    fn requests(&self) -> Vec<Duration> {
        self.state.came.lock().unwrap().clone()
    }
}

/// A sick node fails its probes, but answers requests as before.
async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"well\n")));
    if request.uri().path() == "/healthz" {
        if state.sick.load(Ordering::SeqCst) {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
    } else {
        state.came.lock().unwrap().push(now());
    }
    Ok(response)
}

/// When a line of the agent's log was written that has both texts; the log's times are in UTC.
fn logged(log: &str, texts: [&str; 2]) -> Option<Duration> {
    let line = log
        .lines()
        .find(|line| texts.iter().all(|text| line.contains(text)))?;
    let time = line.split_whitespace().next()?.split_once('T')?.1;
    let mut parts = time.trim_end_matches('Z').split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    let seconds = next()? * 3600.0 + next()? * 60.0 + next()?;
    let day = Duration::from_secs(86_400);
    let today = Duration::from_secs(now().as_secs() / day.as_secs() * day.as_secs());
    let at = today + Duration::from_secs_f64(seconds);
    // A line of before midnight is not of this evening.
    Some(if at > now() + day / 2 { at - day } else { at })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_begins_at_a_node_once_it_is_unhealthy() {
    let cluster = Cluster::start(1).await;
    let mut agent = Agent::start_with(
        "agent",
        &cluster.grpc_list(),
        cluster.dir(),
        &["--workers", "2"],
    );
    agent.ready().await;
    let nodes = [
        Node::start().await,
        Node::start().await,
        Node::start().await,
    ];
    let weights: serde_json::Map<String, serde_json::Value> = nodes
        .iter()
        .map(|node| (node.address.to_string(), json!(1)))
        .collect();
    let checks = json!({"active": {
        "http_path": "/healthz",
        "healthy": {"interval": 1, "successes": 1},
        "unhealthy": {"interval": 1, "http_failures": 1},
    }});
    let route = json!({"uri": "/*", "upstream": {"nodes": weights, "checks": checks}});
    let answer = cluster.nodes[0].put("routes/r", &route).await;
    agent.applied(revision(&answer)).await;
    let load = Load::start(&agent.url("/"), 8, Duration::ZERO, |answer| {
        if answer.status == 200 {
            Ok(())
        } else {
            Err("failed".to_owned())
        }
    });
    let sick = nodes[0].address.to_string();
    until("the node is used", PATIENCE, || async {
        let count = nodes[0].requests().len();
        if count > 100 { Ok(()) } else { Err(count) }
    })
    .await;
    nodes[0].state.sick.store(true, Ordering::SeqCst);
    let flipped = until(
        "the agent says that the node is unhealthy",
        PATIENCE,
        || {
            let found = logged(&agent.process().output(), ["node is unhealthy", &sick]);
            async move { found.ok_or("nothing yet") }
        },
    )
    .await;
    // The others take over.
    let before = nodes[1].requests().len();
    until("the others are used", PATIENCE, || async {
        let more = nodes[1].requests().len() - before;
        if more > 500 { Ok(()) } else { Err(more) }
    })
    .await;
    load.stop().await.assert_clean();
    // Those that were chosen before the flip may arrive a moment after it.
    let grace = Duration::from_millis(100);
    let late: Vec<Duration> = nodes[0]
        .requests()
        .into_iter()
        .filter(|came| *came > flipped + grace)
        .collect();
    assert!(late.is_empty(), "flipped at {flipped:?}, then {late:?}");

    nodes[0].state.sick.store(false, Ordering::SeqCst);
    let seen = nodes[0].requests().len();
    agent
        .serves("/", "by the node again", |_| {
            nodes[0].requests().len() > seen
        })
        .await;
}
