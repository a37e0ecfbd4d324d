//! Lists and watches.

use std::time::Duration;

use serde_json::json;
use tokio_stream::StreamExt;
use weir_model::Kind;
use weir_proto::control::{ListRequest, WatchRequest};

use super::{Harness, as_admin, delete, ids, next, put, upstream};

#[tokio::test]
async fn a_list_comes_in_pages_of_one_revision() {
    let harness = Harness::start().await;
    let many: Vec<_> = (0..1200)
        .map(|n| put(Kind::Upstream, &format!("u{n:04}"), &upstream()))
        .collect();
    harness.apply(many).await.unwrap();
    let (revision, _) = harness
        .apply(vec![put(
            Kind::Service,
            "s",
            &json!({"upstream_id": "u0001"}),
        )])
        .await
        .unwrap();
    let list = async |kind: &str| {
        let request = ListRequest {
            kind: kind.to_owned(),
            ..ListRequest::default()
        };
        let pages = harness
            .control()
            .list(as_admin(request))
            .await
            .unwrap()
            .into_inner();
        pages.map(Result::unwrap).collect::<Vec<_>>().await
    };
    let pages = list("upstream").await;
    let sizes: Vec<_> = pages.iter().map(|page| page.resources.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
    assert!(
        pages
            .iter()
            .all(|page| page.revision == revision && page.total == 1200)
    );
    let ids: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.resources)
        .map(|resource| resource.key.as_ref().unwrap().id.clone())
        .collect();
    assert!(ids.is_sorted() && ids.len() == 1200);

    let all = list("").await;
    assert_eq!(
        all.iter().map(|page| page.resources.len()).sum::<usize>(),
        1201
    );
    let none = list("route").await;
    assert_eq!(
        (none.len(), none[0].total, none[0].revision),
        (1, 0, revision)
    );
}

#[tokio::test]
async fn a_watch_tells_every_change_once_and_in_order() {
    let harness = Harness::start().await;
    let (first, _) = harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let mut from_now = harness.watch(0).await;
    let (second, _) = harness
        .apply(vec![put(Kind::Upstream, "v", &upstream())])
        .await
        .unwrap();
    let change = next(&mut from_now).await;
    assert_eq!(
        (
            change.revision,
            change.author.as_str(),
            change.message.as_str()
        ),
        (second, "ann", "why")
    );
    assert_eq!(change.upserts[0].key.as_ref().unwrap().id, "v");
    assert_eq!(change.upserts[0].created, second);
    assert!(!change.full && change.at_ms > 0);

    let (third, _) = harness
        .apply(vec![delete(Kind::Upstream, "v")])
        .await
        .unwrap();
    assert_eq!(ids(&next(&mut from_now).await.removals), ["upstream/v"]);

    // From the past: what was changed again or removed since is named.
    let mut from_past = harness.watch(first).await;
    let change = next(&mut from_past).await;
    assert_eq!(change.revision, second);
    assert_eq!(ids(&change.superseded), ["upstream/v"]);
    assert_eq!(next(&mut from_past).await.revision, third);
}

#[tokio::test]
async fn a_watch_of_one_kind_tells_only_that() {
    let harness = Harness::start().await;
    let request = WatchRequest {
        kinds: vec!["service".to_owned()],
        from_revision: 0,
    };
    let mut stream = harness
        .control()
        .watch(as_admin(request))
        .await
        .unwrap()
        .into_inner();
    harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let service = json!({"upstream_id": "u"});
    let (revision, _) = harness
        .apply(vec![put(Kind::Service, "s", &service)])
        .await
        .unwrap();
    assert_eq!(next(&mut stream).await.revision, revision);
    harness.shared.shutdown.cancel();
    let end = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
    assert!(
        matches!(end, Ok(Ok(None))),
        "the stream ends when the node stops"
    );
}
