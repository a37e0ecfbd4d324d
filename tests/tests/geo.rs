//! `geo-restriction` with a file of places that is written here, replaced, torn and taken away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::agent::revision;
use weir_tests::mmdb::{self, Network};
use weir_tests::process::{Process, weir_binary};
use weir_tests::{Agent, Cluster, Origin, wait};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where clients of these tests are. An address outside of it is nowhere.
const HERE: [Network<'_>; 3] = [
    (&[127, 101], "EU", Some("DE")),
    (&[127, 102], "NA", Some("US")),
    (&[127, 103], "EU", None),
];
/// The same addresses elsewhere.
const THERE: [Network<'_>; 1] = [(&[127, 101], "AS", Some("JP"))];

/// Puts a file in the place of another, whole.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// The status that a client of this address gets.
async fn status(agent: &Agent, path: &str, client: &str) -> u16 {
    let (url, headers) = (agent.url(path), [("x-from", client)]);
    let answer = agent
        .client
        .send(http::Method::GET, &url, &headers, "")
        .await;
    answer.status.as_u16()
}

async fn becomes(agent: &Agent, path: &str, client: &str, expected: u16) {
    let what = format!("{client} gets {expected} for {path}");
    wait::until(&what, PATIENCE, || async {
        match status(agent, path, client).await {
            seen if seen == expected => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_pass_by_country_and_the_file_may_change() {
    let cluster = Cluster::start(1).await;
    let origin = Origin::start("origin").await;
    let places = cluster.dir().join("places.mmdb");
    replace(&places, &mmdb::file(&HERE));
    let settings = cluster.dir().join("agent.yaml");
    let text = format!("variables: {{ geoip_file: {} }}\n", places.display());
    std::fs::write(&settings, text).unwrap();
    let extra = ["--config", settings.to_str().unwrap()];
    let agent = Agent::start_with("agent", &cluster.grpc_list(), cluster.dir(), &extra);
    agent.ready().await;
    let upstream = json!({"nodes": {origin.node(): 1}});
    cluster.nodes[0].put("upstreams/u", &upstream).await;
    for (name, config) in [
        (
            "allowed",
            json!({"allowlist": {"countries": ["de"]}, "response_code": 451}),
        ),
        ("europe", json!({"allowlist": {"continents": ["EU"]}})),
        (
            "denied",
            json!({"denylist": {"countries": ["US"]}, "message": "not there"}),
        ),
        (
            "strict",
            json!({"denylist": {"countries": ["US"]}, "allow_unknown": false}),
        ),
    ] {
        route(&cluster, &agent, name, config).await;
    }
    // From Germany, the USA, somewhere in Europe, and nowhere.
    for (path, expected) in [
        ("/allowed", [200, 451, 451, 451]),
        ("/europe", [200, 403, 200, 403]),
        ("/denied", [200, 403, 200, 200]),
        ("/strict", [200, 403, 403, 403]),
    ] {
        let clients = ["127.101.0.9", "127.102.7.1", "127.103.0.1", "127.104.0.1"];
        for (client, expected) in clients.into_iter().zip(expected) {
            assert_eq!(
                status(&agent, path, client).await,
                expected,
                "{path} {client}"
            );
        }
    }

    let german = "127.101.0.9";
    replace(&places, &mmdb::file(&THERE));
    becomes(&agent, "/allowed", german, 451).await;
    assert_eq!(status(&agent, "/denied", german).await, 200);
    // What cannot be read, or is gone, does not replace what is in use.
    let whole = mmdb::file(&HERE);
    replace(&places, whole.get(..whole.len() / 2).unwrap());
    logged(&agent, 1).await;
    assert_eq!(status(&agent, "/allowed", german).await, 451);
    std::fs::remove_file(&places).unwrap();
    logged(&agent, 2).await;
    assert_eq!(status(&agent, "/allowed", german).await, 451);
    replace(&places, &whole);
    becomes(&agent, "/allowed", german, 200).await;

    // An agent that was told of a file does not start without it.
    for content in [None, Some("no such file at all")] {
        std::fs::remove_file(&places).unwrap_or_default();
        if let Some(content) = content {
            std::fs::write(&places, content).unwrap();
        }
        let mut command = Command::new(weir_binary());
        command.args(["agent", "--control", &cluster.grpc_list()]);
        command.args([
            "--name",
            "other",
            "--http",
            "127.0.0.1:0",
            "--https",
            "127.0.0.1:0",
        ]);
        command.args(["--status", "127.0.0.1:0", "--data-dir"]);
        command.arg(cluster.dir().join("other")).args(extra);
        let mut process = Process::start("other", command, cluster.dir());
        assert!(!process.wait(PATIENCE).success());
        let said = process.output();
        assert!(said.contains("variables.geoip_file: "), "{said}");
        assert!(said.contains(&places.display().to_string()), "{said}");
    }
}

async fn route(cluster: &Cluster, agent: &Agent, name: &str, config: Value) {
    let plugins = json!({"real-ip": {"source": "http_x_from"}, "geo-restriction": config});
    let route = json!({"uri": format!("/{name}"), "upstream_id": "u", "plugins": plugins});
    let path = format!("routes/{name}");
    let answer = cluster.nodes[0].put(&path, &route).await;
    agent.applied(revision(&answer)).await;
}

/// Waits until the log says so often that the file before stays in use.
async fn logged(agent: &Agent, times: usize) {
    wait::until("the log tells of the file", PATIENCE, || async {
        let log = agent.printed();
        match log.matches("the one before stays in use").count() {
            seen if seen >= times => Ok(()),
            _ => Err(log),
        }
    })
    .await;
}
