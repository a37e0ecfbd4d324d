use serde_json::json;
use weir_proto::resource::{Key, Resource};

use super::*;

fn chunk(nonce: &str, revision: u64, ids: &[&str], last: bool) -> StreamResponse {
    let upserts = ids.iter().map(|id| Resource {
        key: Some(Key {
            kind: "route".to_owned(),
            id: (*id).to_owned(),
        }),
        spec: json!({"uri": format!("/{id}/{revision}")})
            .to_string()
            .into_bytes(),
        created: 1,
        modified: revision,
        ..Resource::default()
    });
    StreamResponse {
        nonce: nonce.to_owned(),
        revision,
        upserts: upserts.collect(),
        last,
        cluster_id: "c".to_owned(),
        ..StreamResponse::default()
    }
}

fn full(mut chunk: StreamResponse) -> StreamResponse {
    chunk.full = true;
    chunk
}

fn complete(chunk: StreamResponse) -> Complete {
    Assembly::default().push(chunk).unwrap().unwrap()
}

#[test]
fn a_response_is_complete_with_its_last_chunk_and_not_before() {
    let mut assembly = Assembly::default();
    assert_eq!(
        assembly.push(full(chunk("n", 5, &["a"], false))).unwrap(),
        None
    );
    assert_eq!(
        assembly.push(full(chunk("n", 5, &["b"], false))).unwrap(),
        None
    );
    let response = assembly
        .push(full(chunk("n", 5, &["c"], true)))
        .unwrap()
        .unwrap();
    assert_eq!(response.delta.upserts.len(), 3);
    let mirror = Mirror::default().after(&response).unwrap();
    assert_eq!((mirror.set.revision, mirror.set.resources.len()), (5, 3));
}

#[test]
fn chunks_of_two_responses_do_not_mix() {
    let mut assembly = Assembly::default();
    assembly.push(chunk("n", 5, &["a"], false)).unwrap();
    let error = assembly.push(chunk("m", 6, &["b"], true)).unwrap_err();
    assert!(matches!(error, Error::Mixed { .. }), "{error}");
}

#[test]
fn a_delta_adds_changes_and_removes() {
    let mirror = Mirror::default()
        .after(&complete(full(chunk("1", 5, &["a", "b"], true))))
        .unwrap();
    let mut next = chunk("2", 7, &["b", "c"], true);
    next.removals.push(Key {
        kind: "route".to_owned(),
        id: "a".to_owned(),
    });
    let mirror = mirror.after(&complete(next)).unwrap();
    let ids: Vec<&str> = mirror.set.resources.keys().map(|key| &*key.id).collect();
    assert_eq!((mirror.set.revision, ids), (7, vec!["b", "c"]));
}

#[test]
fn within_a_cluster_the_revision_never_goes_back() {
    let mirror = Mirror::default()
        .after(&complete(full(chunk("1", 5, &["a"], true))))
        .unwrap();
    let error = mirror
        .after(&complete(full(chunk("2", 4, &["b"], true))))
        .unwrap_err();
    assert_eq!(error, Error::Behind { have: 5, got: 4 });
    // The same revision again in full is how a drifted agent is put right.
    assert!(
        mirror
            .after(&complete(full(chunk("3", 5, &["a"], true))))
            .is_ok()
    );
}

#[test]
fn another_cluster_replaces_everything_or_is_refused() {
    let mirror = Mirror::default()
        .after(&complete(full(chunk("1", 50, &["a"], true))))
        .unwrap();
    let mut other = chunk("2", 3, &["z"], true);
    other.cluster_id = "d".to_owned();
    let error = mirror.after(&complete(other.clone())).unwrap_err();
    assert!(matches!(error, Error::OtherCluster { .. }), "{error}");
    let replaced = mirror.after(&complete(full(other))).unwrap();
    assert_eq!(
        (replaced.set.revision, replaced.set.resources.len()),
        (3, 1)
    );
}

#[test]
fn a_resource_that_cannot_be_read_is_an_error_and_not_a_panic() {
    let mut bad = chunk("n", 5, &["a"], true);
    bad.upserts[0].spec = b"{".to_vec();
    assert!(Assembly::default().push(bad).is_err());
    let mut unnamed = chunk("n", 5, &["a"], true);
    unnamed.upserts[0].key = None;
    assert!(Assembly::default().push(unnamed).is_err());
}
