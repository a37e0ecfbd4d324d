//! Limits that agents share in Redis: one quota for all of them, whatever kind of Redis it is, and what
//! is promised when it is gone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use weir_tests::agent::revision;
use weir_tests::redis::Redis;
use weir_tests::wait::until;
use weir_tests::{Agent, Answer, Cluster, Origin};

/// Longest wait for something that should happen soon.
const SOON: Duration = Duration::from_secs(20);

struct Bench {
    cluster: Cluster,
    agents: [Agent; 2],
    _origin: Origin,
}

impl Bench {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let origin = Origin::start("origin").await;
        let agent = |name: &str| Agent::start(name, &cluster.grpc_list(), cluster.dir());
        let agents = [agent("one"), agent("two")];
        for agent in &agents {
            agent.ready().await;
        }
        let bench = Self {
            cluster,
            agents,
            _origin: origin,
        };
        bench
            .put("upstreams/u", json!({"nodes": {bench._origin.node(): 1}}))
            .await;
        bench
    }

    async fn put(&self, path: &str, body: Value) {
        let answer = self.cluster.nodes[0].put(path, &body).await;
        for agent in &self.agents {
            agent.applied(revision(&answer)).await;
        }
    }

    /// Puts route `/NAME` with this plugin.
    async fn route(&self, name: &str, plugin: &str, config: Value) {
        let plugins = json!({ plugin: config });
        let route = json!({"uri": format!("/{name}"), "upstream_id": "u", "plugins": plugins});
        self.put(&format!("routes/{name}"), route).await;
    }

    /// One request to each agent in turn, `count` in all, some at a time; the answers.
    async fn ask(&self, path: &str, count: usize) -> Vec<Answer> {
        let places = Arc::new(Semaphore::new(16));
        let mut asked = JoinSet::new();
        for number in 0..count {
            let agent = &self.agents[number % 2];
            let (client, url) = (agent.client.clone(), agent.url(path));
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            asked.spawn(async move {
                let answer = client.send(Method::GET, &url, &[], "").await;
                drop(place);
                answer
            });
        }
        asked.join_all().await
    }

    async fn one(&self, agent: usize, path: &str) -> Answer {
        let agent = &self.agents[agent];
        agent
            .client
            .send(Method::GET, &agent.url(path), &[], "")
            .await
    }
}

/// Seconds that the long form runs for, from the environment.
fn soak_seconds() -> u64 {
    let seconds = std::env::var("WEIR_SOAK_SECONDS").ok();
    seconds
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0)
}

fn at(redis: &Redis, mut config: Value) -> Value {
    let server = json!({
        "policy": "redis", "redis_host": redis.ip.to_string(), "redis_port": redis.port, "redis_timeout": 500,
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(server.as_object().unwrap().clone());
    config
}

fn admitted(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_share_one_limit() {
    let bench = Bench::start().await;
    let dir = bench.cluster.dir();
    let redis = Redis::start("shared", dir).await;

    // Fixed and sliding windows: exactly the quota, over both agents.
    let requests = if soak_seconds() > 0 { 100_000 } else { 2_000 };
    let quota = requests / 4;
    for window_type in ["fixed", "sliding"] {
        let config = json!({
            "count": quota, "time_window": 600, "key": "uri", "rejected_code": 429, "window_type": window_type,
        });
        bench
            .route(window_type, "limit-count", at(&redis, config))
            .await;
        let answers = bench.ask(&format!("/{window_type}"), requests).await;
        assert_eq!(admitted(&answers), quota, "{window_type}");
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert_eq!(refused.header("x-ratelimit-limit"), quota.to_string());
        assert_eq!(refused.header("x-ratelimit-remaining"), "0");
        let reset: f64 = refused.header("x-ratelimit-reset").parse().unwrap();
        assert!(reset > 500.0 && reset <= 600.0, "{reset}");
    }

    // Rules, each with its key; a window that ends gives the quota back.
    let rules = json!([
        {"count": 1, "time_window": 3, "key": "$remote_addr"},
        {"count": 5, "time_window": 600, "key": "$uri"},
    ]);
    bench
        .route(
            "rules",
            "limit-count",
            at(&redis, json!({"rules": rules, "rejected_code": 429})),
        )
        .await;
    assert_eq!(bench.one(0, "/rules").await.status, 200);
    let second = bench.one(1, "/rules").await;
    assert_eq!(second.status, 429);
    assert_eq!(second.header("x-1-ratelimit-remaining"), "0");
    let again = until("the window ends", SOON, || async {
        let answer = bench.one(1, "/rules").await;
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(answer.status)
        }
    })
    .await;
    assert_eq!(again.header("x-2-ratelimit-remaining"), "3");

    // In bundles: what one agent lets in is known to the other one soon.
    let config = json!({
        "count": 20, "time_window": 600, "key": "uri", "rejected_code": 429, "sync_interval": 0.1,
    });
    bench
        .route("bundles", "limit-count", at(&redis, config))
        .await;
    for _ in 0..20 {
        assert_eq!(bench.one(0, "/bundles").await.status, 200);
    }
    assert_eq!(bench.one(0, "/bundles").await.status, 429);
    until("the other agent knows", SOON, || async {
        let answer = bench.one(1, "/bundles").await;
        if answer.status == 429 {
            Ok(())
        } else {
            Err(answer.status)
        }
    })
    .await;

    // A bucket.
    let bucket =
        json!({"rate": 0.01, "burst": 9, "nodelay": true, "key": "uri", "rejected_code": 429});
    bench.route("bucket", "limit-req", at(&redis, bucket)).await;
    assert_eq!(admitted(&bench.ask("/bucket", 40).await), 10);

    // One Redis of a cluster, and one behind a sentinel.
    let cluster = Redis::start_cluster("cluster", dir).await;
    let config = json!({
        "count": 3, "time_window": 600, "key": "uri", "rejected_code": 429, "policy": "redis-cluster",
        "redis_cluster_name": "test", "redis_cluster_nodes": [cluster.node()],
    });
    bench.route("cluster", "limit-count", config).await;
    assert_eq!(admitted(&bench.ask("/cluster", 12).await), 3);
    let sentinel = Redis::start_sentinel("sentinel", dir, &redis).await;
    let config = json!({
        "count": 3, "time_window": 600, "key": "uri", "rejected_code": 429, "policy": "redis-sentinel",
        "redis_master_name": "main", "redis_sentinels": [{"host": sentinel.ip.to_string(), "port": sentinel.port}],
    });
    bench.route("sentinel", "limit-count", config).await;
    assert_eq!(admitted(&bench.ask("/sentinel", 12).await), 3);
}

/// A node that answers nobody until it is told to.
struct Holding {
    node: String,
    /// One permit for each answer that may be given.
    places: Arc<Semaphore>,
    /// Requests that have come in.
    seen: Arc<AtomicUsize>,
}

impl Holding {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = listener.local_addr().unwrap().to_string();
        let places = Arc::new(Semaphore::new(0));
        let seen = Arc::new(AtomicUsize::new(0));
        let (free, count) = (Arc::clone(&places), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (free, count) = (Arc::clone(&free), Arc::clone(&count));
                tokio::spawn(async move {
                    use tokio::io::{AsyncReadExt, AsyncWriteExt};
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        count.fetch_add(1, Ordering::SeqCst);
                        free.acquire().await.unwrap().forget();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        // Whoever asked may be gone.
                        let _ = stream.write_all(answer).await;
                    }
                });
            }
        });
        Self { node, places, seen }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_share_the_requests_at_a_time() {
    let bench = Bench::start().await;
    let redis = Redis::start("conn", bench.cluster.dir()).await;
    let node = Holding::start().await;
    bench
        .put("upstreams/u", json!({"nodes": {&node.node: 1}}))
        .await;
    let config = json!({
        "conn": 2, "burst": 0, "default_conn_delay": 0.1, "key": "uri", "rejected_code": 429, "key_ttl": 600,
    });
    bench.route("conn", "limit-conn", at(&redis, config)).await;
    let mut held = JoinSet::new();
    for agent in &bench.agents {
        let (client, url) = (agent.client.clone(), agent.url("/conn"));
        held.spawn(async move { client.send(Method::GET, &url, &[], "").await.status });
    }
    until("both places are taken", SOON, || async {
        let seen = node.seen.load(Ordering::SeqCst);
        if seen == 2 { Ok(()) } else { Err(seen) }
    })
    .await;
    for agent in [0, 1] {
        assert_eq!(bench.one(agent, "/conn").await.status, 429);
    }
    node.places.add_permits(1000);
    let statuses = held.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    until("the places are free again", SOON, || async {
        let answer = bench.one(1, "/conn").await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.status)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_requests_fail_or_pass_as_configured() {
    let bench = Bench::start().await;
    let mut redis = Redis::start("gone", bench.cluster.dir()).await;
    let count = || json!({"count": 1000, "time_window": 600, "key": "uri"});
    let lenient = |mut config: Value| {
        config["allow_degradation"] = json!(true);
        at(&redis, config)
    };
    let conn = || json!({"conn": 50, "burst": 0, "default_conn_delay": 0.1, "key": "uri"});
    let req = || json!({"rate": 1000, "burst": 100, "nodelay": true, "key": "uri"});
    for (name, plugin, config) in [
        ("count", "limit-count", at(&redis, count())),
        ("count-lenient", "limit-count", lenient(count())),
        ("req", "limit-req", at(&redis, req())),
        ("req-lenient", "limit-req", lenient(req())),
        ("conn", "limit-conn", at(&redis, conn())),
        ("conn-lenient", "limit-conn", lenient(conn())),
    ] {
        bench.route(name, plugin, config).await;
        assert_eq!(
            bench.one(0, &format!("/{name}")).await.status,
            200,
            "{name}"
        );
    }
    // Stopped: it takes connections and says nothing, which costs no more than the limit.
    redis.signal("STOP");
    for kind in ["stopped", "killed"] {
        if kind == "killed" {
            redis.signal("CONT");
            redis.kill();
        }
        for name in ["count", "req", "conn"] {
            let strict = bench.one(0, &format!("/{name}")).await;
            assert_eq!(strict.status, 500, "{kind} {name}");
            if name == "count" {
                assert_eq!(strict.json()["error_msg"], "failed to limit count");
            }
            let lenient = bench.one(0, &format!("/{name}-lenient")).await;
            assert_eq!(lenient.status, 200, "{kind} {name}");
        }
    }
    redis.restart().await;
    for name in ["count", "req", "conn"] {
        until("redis counts again", SOON, || async {
            let answer = bench.one(0, &format!("/{name}")).await;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.status)
            }
        })
        .await;
    }
}
