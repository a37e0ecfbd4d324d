//! A cluster, an agent and the routes that the corpus knows.

use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use weir_tests::agent::revision;
use weir_tests::hostile::wire::{Caller, Outcome, Stop, Way};
use weir_tests::spec::certificates::pair;
use weir_tests::{Agent, Cluster};

/// Static options of the agent.
const FILE: &str = "proxy: {reason_header: true}\n";

pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Agent,
    /// The access log.
    pub(crate) log: PathBuf,
}

impl Bench {
    /// An agent whose routes go to `node`: `/guarded/*` needs a key, `/open/*` and the rest do not.
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let log = cluster.dir().join("access.log");
        let file = cluster.dir().join("agent.yaml");
        std::fs::write(&file, FILE).unwrap();
        let extra = [
            "--config",
            file.to_str().unwrap(),
            "--access-log",
            log.to_str().unwrap(),
        ];
        let agent = Agent::start_with("agent", &cluster.grpc_list(), cluster.dir(), &extra);
        agent.ready().await;
        let bench = Self {
            cluster,
            agent,
            log,
        };
        let tls = pair("a.test", "trusted", false);
        let ssl = json!({"cert": tls.cert, "key": tls.key, "snis": ["a.test"]});
        bench.put("ssls/a", ssl).await;
        for (name, key) in [
            ("jack", json!({"key-auth": {"key": "k1"}})),
            ("nobody", json!({})),
        ] {
            let consumer = json!({"username": name, "plugins": key});
            bench.put(&format!("consumers/{name}"), consumer).await;
        }
        bench
    }

    pub(crate) async fn put(&self, path: &str, body: Value) {
        let answer = self.cluster.nodes[0].put(path, &body).await;
        self.agent.applied(revision(&answer)).await;
    }

    /// The routes of the corpus, with more plugins on each.
    pub(crate) async fn routes(&self, node: SocketAddr, more: &Value) {
        let upstream = json!({"nodes": {node.to_string(): 1}});
        self.put("upstreams/node", upstream).await;
        let told = json!({"set": {"x-route": "$route_id", "x-uri": "$uri"}});
        for (id, uris, guarded) in [
            ("open", json!(["/open/*"]), false),
            ("guarded", json!(["/guarded/*"]), true),
            (
                "rest",
                json!(["/p", "/p/*", "/evil.test/*", "/next/*"]),
                false,
            ),
        ] {
            let mut plugins = Map::new();
            plugins.insert("response-rewrite".into(), json!({"headers": told}));
            plugins.extend(more.as_object().cloned().unwrap_or_default());
            if guarded {
                plugins.insert("key-auth".into(), json!({}));
            }
            let route = json!({"uris": uris, "upstream_id": "node", "plugins": plugins});
            self.put(&format!("routes/{id}"), route).await;
        }
    }

    /// A connection from an address of its own to the agent.
    pub(crate) async fn call(
        &self,
        from: Ipv4Addr,
        (way, asked): (Way, &str),
        send: &[u8],
        stop: Stop,
    ) -> Outcome {
        let ip = self.agent.ip;
        let agent = ((ip, 9080).into(), (ip, 9443).into());
        Caller { agent, from, asked }.call(way, send, stop).await
    }

    /// Fails when the agent has ended or has panicked.
    pub(crate) fn lives(&mut self) {
        let process = self.agent.process();
        assert!(process.runs(), "the agent has ended:\n{}", process.tail());
        let output = process.output();
        assert!(
            !output.contains("panicked at"),
            "the agent panicked:\n{output}"
        );
    }
}

/// A client's address that no other case of the test has.
pub(crate) fn address(round: u8, case: usize) -> Ipv4Addr {
    let case = u16::try_from(case).unwrap();
    let [high, low] = case.to_be_bytes();
    Ipv4Addr::new(127, 254, round * 16 + high, low)
}
