//! The command line against a real cluster: writing, reading, comparing, watching, members, fleet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use serde_json::{Value, json};
use weir_tests::cli::{weir, weir_ok};
use weir_tests::{Agent, Cluster};

const STANDALONE: &str = "\
upstreams:
  - id: 1
    nodes:
      \"127.0.0.1:1\": 1
routes:
  - id: 1
    uri: /one
    upstream_id: 1
  - id: 2
    uri: /two
    upstream_id: 1
#END
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_writes_reads_compares_and_removes() {
    let cluster = Cluster::start(1).await;
    let server = cluster.grpc_list();
    let revision = |text: &str| text.to_owned();
    weir_ok(&server, &["apply", "-f", "-"], STANDALONE);
    let listed = weir_ok(&server, &["get", "routes", "-o", "name"], "");
    assert_eq!(revision(&listed), "routes/1\nroutes/2\n");
    let one: Value =
        serde_json::from_str(&weir_ok(&server, &["get", "route", "1", "-o", "json"], "")).unwrap();
    assert!(one.to_string().contains("/one"), "{one}");

    // One atomic revision: one bad object keeps all out, and is named with its path.
    let bad = "upstreams: [{id: 9, nodes: {\"127.0.0.1:1\": 1}}]\nroutes: [{id: 9, uri: 5, upstream_id: 9}]\n#END\n";
    let refused = weir(&server, &["apply", "-f", "-"], bad);
    let talk = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{talk}");
    assert!(talk.contains("routes/9") && talk.contains("uri"), "{talk}");
    assert!(refused.stdout.is_empty());
    let absent = weir(&server, &["get", "upstream", "9"], "");
    assert_eq!(absent.status.code(), Some(3), "{absent:?}");

    // A field that nothing reads is refused unless asked for.
    let unknown = json!({"kind": "upstream", "id": "x", "nodes": {},
        "checks": {"active": {"http_paht": "/"}}})
    .to_string();
    let refused = weir(&server, &["apply", "-f", "-"], &unknown);
    let talk = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{talk}");
    assert!(
        talk.contains("http_paht") && talk.contains("http_path"),
        "{talk}"
    );
    weir_ok(&server, &["apply", "--allow-unknown", "-f", "-"], &unknown);

    let exported = weir_ok(&server, &["export"], "");
    let same = weir(&server, &["diff", "-f", "-"], &exported);
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    weir_ok(
        &server,
        &["validate", "--allow-unknown", "-f", "-"],
        &exported,
    );
    let changed = exported.replace("/two", "/three");
    let differs = weir(&server, &["diff", "-f", "-"], &changed);
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
    assert!(String::from_utf8_lossy(&differs.stdout).contains("/three"));

    weir_ok(&server, &["delete", "route", "1"], "");
    let again = weir(&server, &["delete", "route", "1"], "");
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    let in_use = weir(&server, &["delete", "upstream", "1"], "");
    assert_eq!(in_use.status.code(), Some(1), "{in_use:?}");
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("route [2] is still using it now"));
    weir_ok(&server, &["import", "-f", "-"], &exported);
    assert!(weir_ok(&server, &["get", "routes", "-o", "name"], "").contains("routes/1"));
    let no_server = weir("127.0.0.1:1", &["get", "routes", "--timeout", "2"], "");
    assert_eq!(no_server.status.code(), Some(5), "{no_server:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_agents_can_be_seen_and_moved() {
    let cluster = Cluster::start(3).await;
    let agent = Agent::start("edge-1", &cluster.grpc_list(), cluster.dir());
    agent.ready().await;
    let server = cluster.grpc_list();

    let status: Value =
        serde_json::from_str(&weir_ok(&server, &["cluster", "status", "-o", "json"], "")).unwrap();
    let members = status["members"]
        .as_array()
        .unwrap_or_else(|| panic!("{status}"));
    assert_eq!(members.len(), 3, "{status}");
    weir_ok(&server, &["cluster", "transfer-leader"], "");
    cluster.settled(3).await;

    // Every node knows the agent, whichever it is connected to.
    for node in &cluster.nodes {
        weir_tests::wait::until(
            "the agent is listed",
            weir_tests::cluster::PATIENCE,
            || async {
                let listed = weir(&node.grpc(), &["agents", "list", "-o", "json"], "");
                let text = String::from_utf8_lossy(&listed.stdout).into_owned();
                let wanted = text.contains("edge-1") && text.contains("\"connected\": true");
                if wanted {
                    Ok(())
                } else {
                    Err(format!("{listed:?}"))
                }
            },
        )
        .await;
    }
    let shown = weir_ok(&server, &["agents", "show", "edge-1"], "");
    assert!(
        shown.contains("edge-1") && shown.contains("test"),
        "{shown}"
    );
    let absent = weir(&server, &["agents", "show", "edge-2"], "");
    assert_eq!(absent.status.code(), Some(3), "{absent:?}");

    weir_ok(&server, &["cluster", "remove", "--yes", "3"], "");
    let status = weir_ok(&server, &["cluster", "status", "-o", "json"], "");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        status["members"].as_array().map(Vec::len),
        Some(2),
        "{status}"
    );
}
