//! Applying, and what is refused.

use serde_json::{Value, json};
use tonic::Code;
use weir_model::Kind;
use weir_proto::control::{ApplyRequest, Change, Effect, change::Operation};
use weir_proto::convert::control::refusal;

use super::{Harness, as_admin, delete, put, upstream};

#[tokio::test]
async fn many_changes_are_one_revision_and_nothing_is_written_twice() {
    let harness = Harness::start().await;
    let route = json!({"uri": "/a", "upstream_id": "u"});
    let both = || {
        vec![
            put(Kind::Upstream, "u", &upstream()),
            put(Kind::Route, "1", &route),
        ]
    };
    let (first, effects) = harness.apply(both()).await.unwrap();
    assert_eq!(effects, [Effect::Created, Effect::Created]);
    let state = harness.shared.raft.stale();
    let modified: Vec<_> = state.set.resources.values().map(|r| r.modified).collect();
    assert_eq!(modified, [first, first]);

    // The same again, one of them with the id that the key has already.
    let again = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(
            Kind::Route,
            "1",
            &json!({"id": 1, "upstream_id": "u", "uri": "/a"}),
        ),
    ];
    let (same, effects) = harness.apply(again).await.unwrap();
    assert_eq!(
        (same, effects),
        (first, vec![Effect::Unchanged, Effect::Unchanged])
    );

    let mixed = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(Kind::Route, "1", &json!({"uri": "/b", "upstream_id": "u"})),
        put(Kind::Route, "2", &json!({"uri": "/c", "upstream_id": "u"})),
    ];
    let (second, effects) = harness.apply(mixed).await.unwrap();
    assert!(second > first);
    assert_eq!(
        effects,
        [Effect::Unchanged, Effect::Changed, Effect::Created]
    );
}

#[tokio::test]
async fn a_dry_run_checks_and_writes_nothing() {
    let harness = Harness::start().await;
    let request = |upstream_id: &str| ApplyRequest {
        changes: vec![put(
            Kind::Route,
            "1",
            &json!({"uri": "/", "upstream_id": upstream_id}),
        )],
        dry_run: true,
        ..ApplyRequest::default()
    };
    harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let before = harness.shared.raft.stale().set.revision;
    let answer = harness
        .control()
        .apply(as_admin(request("u")))
        .await
        .unwrap();
    assert_eq!(answer.get_ref().applied[0].effect(), Effect::Created);
    assert_eq!(answer.get_ref().revision, 0);
    let refused = harness
        .control()
        .apply(as_admin(request("absent")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(harness.shared.raft.stale().set.revision, before);
}

#[tokio::test]
async fn a_refusal_tells_every_problem_and_nothing_is_written() {
    let harness = Harness::start().await;
    let changes = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(Kind::Route, "1", &json!({"id": 2, "uri": "/"})),
        Change {
            operation: Some(Operation::Put(b"{".to_vec())),
            ..put(Kind::Route, "3", &Value::Null)
        },
        put(Kind::Route, "4", &json!([])),
        put(Kind::Upstream, "u", &upstream()),
    ];
    let refused = harness.apply(changes).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let problems = refusal(&refused).unwrap().problems;
    let shown: Vec<_> = problems
        .iter()
        .map(|p| format!("{} {}", p.key.as_ref().unwrap().id, p.path))
        .collect();
    assert_eq!(shown, ["1 id", "3 ", "4 ", "u "]);
    assert!(
        refused.message().contains("routes/1: id: "),
        "{}",
        refused.message()
    );
    assert!(harness.shared.raft.stale().set.resources.is_empty());
}

#[tokio::test]
async fn validation_tells_the_problems_of_all_documents() {
    let harness = Harness::start().await;
    let changes = vec![
        put(Kind::Upstream, "u", &json!({"nodes": 5})),
        put(Kind::Route, "1", &json!({"uri": 5})),
    ];
    let refused = harness.apply(changes).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let problems = refusal(&refused).unwrap().problems;
    let named: Vec<_> = problems
        .iter()
        .filter_map(|problem| problem.key.as_ref().map(|key| key.id.as_str()))
        .collect();
    assert!(named.contains(&"u") && named.contains(&"1"), "{problems:?}");
}

#[tokio::test]
async fn unknown_fields_are_refused_or_told() {
    let harness = Harness::start().await;
    let mut document = upstream();
    document["checks"] = json!({"active": {"http_paht": "/"}});
    let request = |allow_unknown| ApplyRequest {
        changes: vec![put(Kind::Upstream, "u", &document)],
        allow_unknown,
        ..ApplyRequest::default()
    };
    let refused = harness
        .control()
        .apply(as_admin(request(false)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("http_paht"), "{refused}");
    let allowed = harness
        .control()
        .apply(as_admin(request(true)))
        .await
        .unwrap();
    let warnings = &allowed.get_ref().warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.path.contains("http_paht")),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn deletes_are_guarded() {
    let harness = Harness::start().await;
    let route = json!({"uri": "/a", "upstream_id": "u"});
    let both = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(Kind::Route, "1", &route),
    ];
    harness.apply(both).await.unwrap();
    let used = harness
        .apply(vec![delete(Kind::Upstream, "u")])
        .await
        .unwrap_err();
    assert_eq!(used.code(), Code::FailedPrecondition);
    assert!(used.message().contains("still using it now"), "{used}");
    let absent = harness
        .apply(vec![delete(Kind::Route, "9")])
        .await
        .unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    let both = vec![delete(Kind::Route, "1"), delete(Kind::Upstream, "u")];
    let (_, effects) = harness.apply(both).await.unwrap();
    assert_eq!(effects, [Effect::Deleted, Effect::Deleted]);
}

#[tokio::test]
async fn a_write_can_ask_that_nothing_was_changed_since() {
    let harness = Harness::start().await;
    let (first, _) = harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let (second, _) = harness
        .apply(vec![put(Kind::Upstream, "v", &upstream())])
        .await
        .unwrap();
    let mut changed = upstream();
    changed["retries"] = json!(1);
    let request = |id: &str, unchanged_since| ApplyRequest {
        changes: vec![put(Kind::Upstream, id, &changed)],
        unchanged_since,
        ..ApplyRequest::default()
    };
    let stale = harness
        .control()
        .apply(as_admin(request("v", first)))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(refusal(&stale).unwrap().current_revision, second);
    harness
        .control()
        .apply(as_admin(request("u", first)))
        .await
        .unwrap();
    harness
        .control()
        .apply(as_admin(request("v", second)))
        .await
        .unwrap();
    harness
        .apply(vec![delete(Kind::Upstream, "v")])
        .await
        .unwrap();
    let gone = harness
        .control()
        .apply(as_admin(request("v", second)))
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::Aborted);
}
