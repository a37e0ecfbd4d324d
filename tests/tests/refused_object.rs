//! An object that an agent cannot use keeps its last good form there; all others apply.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use serde_json::json;
use weir_tests::fake_control::FakeControl;
use weir_tests::{Agent, Origin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_object_keeps_its_last_good_form_and_all_others_apply() {
    let mut control = FakeControl::start().await;
    let origin = Origin::start("kept").await;
    let dir = tempfile::Builder::new()
        .prefix("weir-test-")
        .tempdir()
        .unwrap();
    let agent = Agent::start("agent", &control.address.to_string(), dir.path());
    let mut stream = control.stream().await;

    let good = json!({"uri": "/kept", "upstream_id": "u"});
    let upstream = json!({"nodes": {origin.node(): 1}});
    let first = [("upstream", "u", upstream), ("route", "kept", good)];
    let ack = stream.send(5, true, &first).await;
    assert_eq!((ack.revision, ack.refused.len()), (5, 0), "{ack:?}");
    agent.ready().await;
    assert_eq!(agent.get("/kept").await.unwrap().status, 200);

    let bad = json!({"uri": 5, "upstream_id": "u"});
    let other = json!({"uri": "/other", "upstream_id": "u"});
    let nack = stream
        .send(
            6,
            false,
            &[("route", "kept", bad), ("route", "other", other)],
        )
        .await;
    assert_eq!(nack.revision, 6);
    assert_eq!(nack.refused.len(), 1, "{nack:?}");
    let refused = &nack.refused[0];
    assert_eq!(refused.key.as_ref().unwrap().id, "kept");
    assert!(
        refused.message.contains("wrong type") || refused.path.contains("uri"),
        "{refused:?}"
    );
    assert_eq!(
        agent.get("/kept").await.unwrap().status,
        200,
        "the last good form serves on"
    );
    assert_eq!(
        agent.get("/other").await.unwrap().status,
        200,
        "the other object applies"
    );
    let status = agent.status().await.unwrap();
    assert!(status.to_string().contains("routes/kept"), "{status}");

    let mended = json!({"uri": "/mended", "upstream_id": "u"});
    let ack = stream.send(7, false, &[("route", "kept", mended)]).await;
    assert_eq!(ack.refused.len(), 0, "{ack:?}");
    assert_eq!(agent.get("/mended").await.unwrap().status, 200);
    assert_eq!(agent.get("/kept").await.unwrap().status, 404);
}
