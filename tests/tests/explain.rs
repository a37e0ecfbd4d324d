//! `weir route explain` on the built binary: from the control plane and from files, and in agreement
//! with what an agent does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use serde_json::Value;
use weir_tests::cli::{weir, weir_ok};
use weir_tests::{Agent, Cluster};

const CONFIGURATION: &str = "\
upstreams:
  - id: u
    nodes: {\"127.0.0.1:1\": 1}
services:
  - id: s
    upstream_id: u
    plugins: {prometheus: {_meta: {disable: true}}}
routes:
  - id: v2
    uri: /api/*
    priority: 1
    vars: [[\"http_x_version\", \"==\", \"v2\"]]
    upstream_id: u
  - id: v1
    uri: /api/*
    service_id: s
    plugins: {proxy-rewrite: {regex_uri: [\"^/api/(.*)\", \"/$1\"]}}
#END
";

fn explained(server: &str, more: &[&str], input: &str) -> Value {
    let args = [
        "route",
        "explain",
        "GET",
        "http://a.test/api/users",
        "-o",
        "json",
    ];
    let args = [&args[..], more].concat();
    serde_json::from_str(&weir_ok(server, &args, input)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_explained_from_the_control_plane_and_from_files() {
    let cluster = Cluster::start(1).await;
    let server = cluster.grpc_list();
    weir_ok(&server, &["apply", "-f", "-"], CONFIGURATION);

    let answer = explained(&server, &[], "");
    assert_eq!(answer["route"]["key"], "routes/v1", "{answer}");
    assert_eq!(answer["outgoing"]["uri"], "/users");
    assert_eq!(answer["upstream"]["key"], "upstreams/u");
    let miss = &answer["misses"][0];
    assert_eq!(miss["key"], "routes/v2");
    assert_eq!(miss["condition"], "vars[0]");
    assert_eq!(miss["actual"], "http_x_version has no value");
    let absent = answer["plugins"].as_array().unwrap();
    let absent = absent
        .iter()
        .find(|plugin| plugin["name"] == "prometheus")
        .unwrap();
    assert_eq!(
        (&absent["owner"], &absent["note"]),
        (&"services/s".into(), &"_meta.disable".into())
    );

    // A change is seen at once, and the same files say the same without anybody to ask.
    let v2 = explained(&server, &["-H", "X-Version: v2"], "");
    assert_eq!(v2["route"]["key"], "routes/v2");
    weir_ok(&server, &["delete", "route", "v2"], "");
    let gone = explained(&server, &["-H", "X-Version: v2"], "");
    assert_eq!(gone["route"]["key"], "routes/v1");
    let offline = explained(
        "127.0.0.1:1",
        &["-f", "-", "-H", "X-Version: v2"],
        CONFIGURATION,
    );
    assert_eq!(offline["route"], v2["route"]);
    assert_eq!(offline["outgoing"], v2["outgoing"]);

    let bad = weir(&server, &["route", "explain", "GET", "ftp://a/"], "");
    let talk = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(1), "{talk}");
    assert!(
        talk.contains("url: expected a path or an http:// or https:// URL"),
        "{talk}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_explained_is_what_the_agent_does() {
    let cluster = Cluster::start(1).await;
    let server = cluster.grpc_list();
    let agent = Agent::start("edge", &server, cluster.dir());
    agent.ready().await;
    let configuration = "\
routes:
  - {id: r, uri: /there, service_id: s}
services:
  - {id: s}
#END
";
    weir_ok(&server, &["apply", "-f", "-"], configuration);
    for (path, status) in [("/there", 503), ("/nowhere", 404)] {
        let answer = weir_ok(
            &server,
            &["route", "explain", "GET", path, "-o", "json"],
            "",
        );
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], status, "{answer}");
        agent
            .serves(path, "as explained", |answer| {
                answer.status.as_u16() == status
            })
            .await;
    }
}
