//! Registries that go away and come back empty.

use std::time::{Duration, Instant};

use serde_json::json;
use weir_tests::cluster::PATIENCE;
use weir_tests::registries::{Bind, Consul, Fragile};
use weir_tests::{Agent, Client, Load, Origin, wait};

use super::commands::shown;
use super::{Setup, instance};

/// A registry goes away for `outage` under load (ten clients that ask every 8 ms, as far as a debug
/// build keeps up with them) and comes back empty: nothing fails, agent and control node restart meanwhile and still serve, and what is gone
/// is held, alarmed, and taken after the grace time.
async fn an_outage_passes(backend: &mut dyn Fragile, outage: Duration) {
    let origins = [Origin::start("one").await, Origin::start("two").await];
    let instances = origins.each_ref().map(instance);
    for instance in &instances {
        backend.register("shop", instance).await;
    }
    let mut setup = Setup::start(backend).await;
    let mut upstream = backend.upstream("shop");
    let service = upstream["service_name"].as_str().unwrap().to_owned();
    upstream["discovery_type"] = backend.registry(backend.address())["type"].clone();
    upstream["discovery_args"] = json!({"grace_time": 8});
    setup.cluster.nodes[0]
        .put("upstreams/shop", &upstream)
        .await;
    setup.has(2).await;
    setup.reaches(&["one", "two"]).await;
    // The load goes to an agent of its own, which is not restarted.
    let steady = Agent::start("steady", &setup.cluster.grpc_list(), setup.cluster.dir());
    steady.ready().await;
    steady
        .serves("/x", "traffic", |answer| answer.status == 200)
        .await;
    let load = Load::start(&steady.url("/x"), 10, Duration::from_millis(8), |answer| {
        if answer.status == 200 {
            Ok(())
        } else {
            Err("failed".to_owned())
        }
    });
    // A kill takes what was learnt in the last moments.
    let table = setup.cluster.nodes[0].data_dir().join("endpoints.table");
    wait::until("the control node has written it down", PATIENCE, || async {
        let kept = std::fs::read_to_string(&table).unwrap_or_default();
        let both = instances
            .iter()
            .all(|one| kept.contains(&one.port.to_string()));
        let whole = both && kept.contains("grace=8000");
        if whole { Ok(()) } else { Err(kept) }
    })
    .await;
    let began = Instant::now();
    backend.kill();
    shown(&setup, &service, "the outage shows", |one| {
        !one["failure"].is_null()
    })
    .await;
    setup.agent.kill();
    setup.agent.restart();
    setup.agent.ready().await;
    setup.reaches(&["one", "two"]).await;
    setup.cluster.nodes[0].kill();
    setup.cluster.nodes[0].start();
    setup.cluster.nodes[0].ready().await;
    let known = shown(&setup, &service, "the restarted node knows", |one| {
        one["endpoint_count"] == 2 && !one["failure"].is_null()
    })
    .await;
    assert!(known["checked_ms"].as_u64() > Some(0), "{known}");
    // An agent that knows nothing learns it from the node that read its file.
    let fresh = Agent::start("fresh", &setup.cluster.grpc_list(), setup.cluster.dir());
    fresh.ready().await;
    fresh
        .serves("/x", "traffic", |answer| answer.status == 200)
        .await;
    setup.reaches(&["one", "two"]).await;
    tokio::time::sleep_until((began + outage).into()).await;
    backend.restart_empty().await;
    let held = shown(&setup, &service, "what is gone is held", |one| {
        !one["held"].is_null()
    })
    .await;
    assert_eq!(
        (&held["held"]["missing"], &held["endpoint_count"]),
        (&json!(2), &json!(2))
    );
    let url = setup.cluster.nodes[0].status_url("/metrics");
    let metrics = Client::default().try_get(&url).await.unwrap().text();
    let gauge = metrics
        .lines()
        .find(|line| line.starts_with("weir_control_discovery_held_endpoints{"));
    assert!(gauge.is_some_and(|line| line.ends_with(" 2")), "{gauge:?}");
    setup.reaches(&["one", "two"]).await;
    let outcome = load.stop().await;
    println!(
        "{} requests while the registry was away for {:?}",
        outcome.answered,
        began.elapsed()
    );
    outcome.assert_clean();
    // Nothing is left for it in the end, and what comes later is followed.
    setup
        .agent
        .serves("/x", "no nodes", |answer| answer.status == 503)
        .await;
    backend.register("shop", &instances[0]).await;
    setup.reaches(&["one"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Consul: make test-registries"]
async fn an_outage_of_consul_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mut consul = Consul::start(dir.path()).await;
    an_outage_passes(&mut consul, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real DNS server: make test-registries"]
async fn an_outage_of_dns_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mut bind = Bind::start(dir.path()).await;
    an_outage_passes(&mut bind, Duration::from_secs(60)).await;
}
