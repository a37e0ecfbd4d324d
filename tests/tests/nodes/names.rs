//! Names of nodes with a real name server: `dns_resolver`, changes of records, names that are not
//! there, and a name server that is not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::cluster::PATIENCE;
use weir_tests::name_server::ZONE;
use weir_tests::wait::until;
use weir_tests::{Agent, Answer, Cluster, NameServer, Nginx};

/// A name server, three back ends that share a port, and an agent.
struct Bench {
    names: NameServer,
    one: Nginx,
    two: Nginx,
    three: Nginx,
    cluster: Cluster,
    agent: Agent,
}

impl Bench {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let dir = cluster.dir();
        let agent = Agent::start("agent", &cluster.grpc_list(), dir);
        let bench = Self {
            names: NameServer::start(dir).await,
            one: Nginx::start("one", dir).await,
            two: Nginx::start("two", dir).await,
            three: Nginx::start("three", dir).await,
            agent,
            cluster,
        };
        bench.agent.ready().await;
        bench
    }

    /// A route to a name of the zone, with more settings of its upstream.
    async fn route(&self, path: &str, name: &str, more: Value) {
        let mut upstream = json!({
            "nodes": {format!("{name}.{ZONE}:8080"): 1},
            "dns_resolver": [self.names.address()],
            "timeout": {"connect": 5, "send": 5, "read": 5},
        });
        let fields = upstream.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let id = path.trim_start_matches('/');
        let route = json!({"uri": path, "upstream": upstream});
        let answer = self.cluster.nodes[0]
            .put(&format!("routes/{id}"), &route)
            .await;
        self.agent.applied(revision(&answer)).await;
    }

    /// Waits until requests reach exactly these back ends.
    async fn reaches(&self, path: &str, names: &[&str]) {
        let wanted: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        until(&format!("{path} reaches {names:?}"), PATIENCE, || async {
            let mut reached = BTreeSet::new();
            for _ in 0..12 {
                let answer = self.agent.get(path).await?;
                if answer.status != 200 {
                    return Err(shown(&answer));
                }
                reached.insert(answer.text().trim().to_owned());
            }
            if reached == wanted {
                Ok(())
            } else {
                Err(format!("{reached:?}"))
            }
        })
        .await;
    }

    /// Waits until a request is answered with this status.
    async fn answers(&self, path: &str, status: u16) -> Answer {
        let fits = |answer: &Answer| answer.status == status;
        self.agent
            .serves(path, &format!("is answered with {status}"), fits)
            .await
    }
}

fn shown(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_followed_as_they_change() {
    let bench = Bench::start().await;
    let a = |ip| format!("add web 1 A {ip}");
    bench.names.update(&[&a(bench.one.ip), &a(bench.two.ip)]);
    bench.route("/web", "web", json!({})).await;
    // Every address of the name is a node.
    bench.reaches("/web", &["one", "two"]).await;
    bench.names.update(&[&a(bench.three.ip)]);
    bench.reaches("/web", &["one", "two", "three"]).await;
    let gone = [
        format!("delete web A {}", bench.one.ip),
        format!("delete web A {}", bench.two.ip),
    ];
    bench.names.update(&[&gone[0], &gone[1]]);
    bench.reaches("/web", &["three"]).await;
    // A name may stand for another.
    bench.names.update(&["add alias 1 CNAME web.gw.test."]);
    bench.route("/alias", "alias", json!({})).await;
    bench.reaches("/alias", &["three"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_that_is_not_there_gets_503_until_it_is() {
    let bench = Bench::start().await;
    bench.route("/later", "later", json!({})).await;
    let answer = bench.answers("/later", 503).await;
    assert!(answer.text().contains("503"), "{}", answer.text());
    bench
        .names
        .update(&[&format!("add later 1 A {}", bench.one.ip)]);
    bench.reaches("/later", &["one"]).await;
    // Another node of the upstream is asked instead.
    let mixed = json!({"nodes": {
        format!("nowhere.{ZONE}:8080"): 1,
        format!("later.{ZONE}:8080"): 1,
    }});
    bench.route("/mixed", "mixed", mixed).await;
    for _ in 0..6 {
        let answer = bench.agent.get("/mixed").await.unwrap();
        assert_eq!(answer.status, 200, "{}", shown(&answer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_good_answer_is_kept_while_the_name_server_is_away() {
    let mut bench = Bench::start().await;
    let web = format!("add web 1 A {}", bench.one.ip);
    bench.names.update(&[&web]);
    bench.route("/web", "web", json!({})).await;
    bench.reaches("/web", &["one"]).await;
    bench.names.kill();
    // Longer than the record lives.
    let over = std::time::Instant::now() + std::time::Duration::from_secs(3);
    while std::time::Instant::now() < over {
        let answer = bench.agent.get("/web").await.unwrap();
        assert_eq!(answer.status, 200, "{}", shown(&answer));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // An agent that starts now knows no address.
    bench.agent.kill();
    bench.agent.restart();
    bench.agent.ready().await;
    bench.answers("/web", 503).await;
    bench.names.resume().await;
    bench.reaches("/web", &["one"]).await;
    bench.names.update(&[
        &format!("add web 1 A {}", bench.two.ip),
        &format!("delete web A {}", bench.one.ip),
    ]);
    bench.reaches("/web", &["two"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_says_how_long_answers_hold() {
    let bench = Bench::start().await;
    bench
        .names
        .update(&[&format!("add web 1 A {}", bench.one.ip)]);
    bench.route("/held", "web", json!({"dns_ttl": 600})).await;
    bench.route("/fresh", "web", json!({})).await;
    bench.reaches("/held", &["one"]).await;
    bench.reaches("/fresh", &["one"]).await;
    bench.names.update(&[
        &format!("add web 1 A {}", bench.two.ip),
        &format!("delete web A {}", bench.one.ip),
    ]);
    bench.reaches("/fresh", &["two"]).await;
    bench.reaches("/held", &["one"]).await;
    // A resolver that does not answer is followed by the next.
    let second = json!({"dns_resolver": ["127.0.0.1:9", bench.names.address()]});
    bench.route("/second", "web", second).await;
    bench.reaches("/second", &["two"]).await;
}
