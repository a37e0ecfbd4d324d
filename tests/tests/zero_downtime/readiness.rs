//! Whoever asks for readiness first never meets an agent that cannot serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;
use weir_tests::{Agent, Client, Cluster, NameServer, TimedOrigin};

/// Balances over two agents as their readiness says, looking often.
struct Balancer {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    tasks: JoinSet<Vec<String>>,
}

impl Balancer {
    fn start(agents: &[(String, String)]) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = JoinSet::new();
        let mut ready = Vec::new();
        for (url, readyz) in agents {
            let flag = Arc::new(AtomicBool::new(true));
            ready.push((url.clone(), Arc::clone(&flag)));
            let (readyz, stop) = (readyz.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let client = Client::new(Duration::from_secs(2));
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.try_get(&readyz).await;
                    let is_ready = answer.is_ok_and(|answer| answer.status == 200);
                    flag.store(is_ready, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Vec::new()
            });
        }
        for _ in 0..4 {
            let (ready, stop, answered) = (ready.clone(), Arc::clone(&stop), Arc::clone(&answered));
            tasks.spawn(async move {
                let mut wrong = Vec::new();
                let mut turn = 0usize;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let (url, flag) = &ready[turn % ready.len()];
                    if !flag.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                    // A connection of its own, as a new client has.
                    match Client::default().try_get(url).await {
                        Ok(answer) if answer.status == 200 => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => wrong.push(format!("{url}: {}", answer.status)),
                        Err(error) => wrong.push(error),
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                wrong
            });
        }
        Self {
            stop,
            answered,
            tasks,
        }
    }

    async fn stop(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            wrong.extend(ended.unwrap());
        }
        (self.answered.load(Ordering::Relaxed), wrong)
    }
}

/// Restarts in turns; every other time the data directory is lost.
async fn restarts(count: usize) {
    let cluster = Cluster::start(1).await;
    let origin = TimedOrigin::start("steady").await;
    let names = NameServer::start(cluster.dir()).await;
    names.update(&["add shop 1 A 127.0.0.1"]);
    let node = &cluster.nodes[0];
    let registry = json!({"type": "dns", "servers": [names.address()]});
    node.put("registries/main", &registry).await;
    let service = format!(
        "shop.{}:{}",
        weir_tests::name_server::ZONE,
        origin.address.port()
    );
    let upstream = json!({"discovery_type": "dns", "service_name": service});
    node.put("upstreams/shop", &upstream).await;
    let route = json!({"uri": "/*", "upstream_id": "shop"});
    node.put("routes/all", &route).await;
    let mut agents = Vec::new();
    for name in ["one", "two"] {
        let agent = Agent::start(name, &cluster.grpc_list(), cluster.dir());
        agent.ready().await;
        agents.push(agent);
    }
    let places: Vec<_> = agents
        .iter()
        .map(|agent| (agent.url("/x"), agent.status_url("/readyz")))
        .collect();
    let balancer = Balancer::start(&places);
    for turn in 0..count {
        let agent = &mut agents[turn % 2];
        agent.process().signal("TERM");
        let status = agent.process().wait(PATIENCE);
        assert_eq!(status.code(), Some(0), "{}", agent.tail());
        if turn % 4 < 2 {
            std::fs::remove_dir_all(agent.data_dir()).unwrap();
        }
        agent.restart();
        agent.ready().await;
        let answer = agent.get("/x").await.unwrap();
        assert_eq!(
            answer.status, 200,
            "restart {turn}: the first request when ready"
        );
    }
    let (answered, wrong) = balancer.stop().await;
    println!(
        "{count} restarts behind a ready check: {answered} answers, {} wrong",
        wrong.len()
    );
    let first = &wrong[..wrong.len().min(5)];
    assert!(first.is_empty(), "{} wrong, first {first:#?}", wrong.len());
    assert!(answered > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_behind_a_ready_check_fail_no_request() {
    restarts(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_restarts_behind_a_ready_check() {
    restarts(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_waits_for_registries_and_says_so() {
    let mut cluster = Cluster::start(1).await;
    let origin = TimedOrigin::start("steady").await;
    let mut names = NameServer::start(cluster.dir()).await;
    names.update(&["add shop 1 A 127.0.0.1"]);
    names.kill();
    let node = &cluster.nodes[0];
    let registry = json!({"type": "dns", "servers": [names.address()], "timeout": 500});
    node.put("registries/main", &registry).await;
    let service = format!(
        "shop.{}:{}",
        weir_tests::name_server::ZONE,
        origin.address.port()
    );
    let upstream = json!({"discovery_type": "dns", "service_name": service});
    node.put("upstreams/shop", &upstream).await;
    let route = json!({"uri": "/*", "upstream_id": "shop"});
    let last = node.put("routes/all", &route).await;
    let mut agent = Agent::start("agent", &cluster.grpc_list(), cluster.dir());
    let revision = weir_tests::agent::revision(&last);
    agent.applied(revision).await;
    let says = async |agent: &Agent| {
        let answer = agent.client.try_get(&agent.status_url("/readyz")).await;
        answer.map(|answer| (answer.status.as_u16(), answer.text()))
    };
    let (status, text) = says(&agent).await.unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(
        text.starts_with("not ready: no answer of registries yet about "),
        "{text}"
    );
    assert!(text.contains("shop."), "{text}");
    names.resume().await;
    agent.ready().await;
    assert_eq!(agent.get("/x").await.unwrap().status, 200);

    // Without any control node: from the cache at once, and with nothing in it not at all.
    until("endpoints are on disk", PATIENCE, || async {
        let dir = std::fs::read_dir(agent.data_dir()).unwrap();
        let names: Vec<_> = dir.map(|file| file.unwrap().file_name()).collect();
        let kept = names
            .iter()
            .any(|name| name.to_string_lossy().starts_with("endpoints-"));
        if kept {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    cluster.nodes[0].kill();
    names.kill();
    agent.kill();
    agent.restart();
    agent.ready().await;
    assert_eq!(agent.get("/x").await.unwrap().status, 200);
    agent.kill();
    std::fs::remove_dir_all(agent.data_dir()).unwrap();
    agent.restart();
    let text = until("the status port answers", PATIENCE, || says(&agent)).await;
    assert_eq!(text.0, 503, "{text:?}");
    assert!(
        text.1.starts_with("not ready: no configuration yet; "),
        "{text:?}"
    );
}
