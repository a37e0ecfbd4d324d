//! `opa` with a real server: what a policy decides, and what becomes of requests while it is away.
//!
//! Needs Go, and a build of minutes the first time, so this test runs only when asked for:
//! `make test-registries`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::time::Duration;

use serde_json::json;
use weir_tests::Bench;
use weir_tests::load::{Load, Target};
use weir_tests::registries::Opa;

const POLICY: &str = r#"
package gateway.authz

default allow := false

allow if input.request.headers["x-role"] == "admin"

allow if input.request.query.open

status_code := 451 if not allow

headers := {"x-user": "root", "x-other": "kept back"} if allow

headers := {"x-policy": ["a", "b"]} if not allow

reason := {"asked": input.request.path, "route": input.route.name} if not allow
"#;

const AWAY: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real policy server: make test-registries"]
async fn a_policy_decides_and_nobody_passes_while_it_is_away() {
    let bench = Bench::start().await;
    let mut opa = Opa::start(bench.cluster.dir(), POLICY).await;
    let config = json!({"host": opa.url(), "policy": "gateway/authz", "with_route": true, "timeout": 5000,
        "send_headers_upstream": ["X-User"]});
    let route = json!({"uri": "/guarded*", "name": "guard", "upstream_id": "u", "plugins": {"opa": config}});
    bench.put("routes/guarded", route).await;

    for (path, role) in [("/guarded", "admin"), ("/guarded?open", "guest")] {
        let sent = [("x-role", role), ("x-user", "forged")];
        let allowed = bench.get(path, &sent).await;
        assert_eq!(allowed.status, 200, "{}", allowed.text());
        let headers = &allowed.json()["headers"];
        assert_eq!(headers["x-user"], "root");
        assert!(headers["x-other"].is_null(), "{headers}");
    }
    let denied = bench.get("/guarded/a?b=c", &[("x-role", "guest")]).await;
    assert_eq!(denied.status, 451);
    assert_eq!(
        denied.json(),
        json!({"asked": "/guarded/a", "route": "guard"})
    );
    let told: Vec<_> = denied.headers.get_all("x-policy").iter().collect();
    assert_eq!(told, ["a", "b"]);

    let admin = Target::new(&bench.agent.url("/guarded")).header("x-role", "admin");
    let steady = Load::on(&admin, 4, Duration::from_millis(10), |answer| match answer
        .status
        .as_u16()
    {
        200 | 403 => Ok(()),
        _ => Err("neither let in nor kept out".to_owned()),
    });
    opa.kill();
    // A server that is not there is not waited for.
    let at_once = admin.clone().within(Duration::from_secs(2));
    at_once.settles(AWAY, |answer| status(answer, 403)).await;
    opa.restart().await;
    admin
        .settles(Duration::from_secs(2), |answer| status(answer, 200))
        .await;
    steady.stop().await.assert_clean();
    let log = bench.agent.printed();
    assert!(log.contains("opa: no decision"), "{log}");
}

fn status(answer: &weir_tests::Answer, expected: u16) -> Result<(), String> {
    match answer.status == expected {
        true => Ok(()),
        false => Err(format!("expected {expected}")),
    }
}
