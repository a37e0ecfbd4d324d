use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use serde_json::json;
use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet};
use weir_model::{Key, Kind, Resource, ResourceSet};

use super::*;
use std::path::PathBuf;

fn mirror(revision: u64) -> Mirror {
    let mut set = ResourceSet {
        revision,
        ..ResourceSet::default()
    };
    for id in ["1", "2"] {
        let key = Key::new(Kind::Route, id);
        let resource = Resource {
            key: key.clone(),
            spec: Arc::new(json!({"uri": format!("/{id}"), "priority": revision})),
            created: 1,
            modified: revision,
            create_time: 1,
            update_time: 2,
            expires_at_ms: None,
        };
        set.resources.insert(key, Arc::new(resource));
    }
    Mirror {
        cluster_id: "c".to_owned(),
        set,
        endpoints: Endpoints::default(),
    }
}

const NAMES: [&str; 2] = ["state-a.cache", "state-b.cache"];

fn newest(dir: &Path) -> PathBuf {
    let mut paths: Vec<_> = NAMES
        .iter()
        .map(|name| dir.join(name))
        .filter(|p| p.exists())
        .collect();
    paths.sort_by_key(|path| format::decode(&fs::read(path).unwrap()).map_or(0, |(n, _)| n));
    paths.pop().unwrap()
}

#[test]
fn the_newest_state_is_found_again_and_only_the_owner_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cache, loaded) = Cache::open(dir.path()).unwrap();
    assert!(loaded.mirror.is_none());
    for revision in 1..=5 {
        cache.store(&mirror(revision)).unwrap();
        let (_, loaded) = Cache::open(dir.path()).unwrap();
        assert_eq!(loaded.mirror, Some(mirror(revision)));
    }
    let mode = fs::metadata(newest(dir.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_state_of_another_cluster_with_a_lower_revision_is_still_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cache, _) = Cache::open(dir.path()).unwrap();
    cache.store(&mirror(100)).unwrap();
    cache.store(&mirror(3)).unwrap();
    let (_, loaded) = Cache::open(dir.path()).unwrap();
    assert_eq!(loaded.mirror, Some(mirror(3)));
}

#[test]
fn any_flipped_byte_and_any_tear_falls_back_to_the_generation_before() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cache, _) = Cache::open(dir.path()).unwrap();
    cache.store(&mirror(1)).unwrap();
    cache.store(&mirror(2)).unwrap();
    let path = newest(dir.path());
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x04;
        for damaged in [flipped, good[..at].to_vec()] {
            fs::write(&path, damaged).unwrap();
            let (_, loaded) = Cache::open(dir.path()).unwrap();
            assert_eq!(loaded.mirror, Some(mirror(1)), "damage at byte {at}");
            assert_eq!(loaded.refused.len(), 1, "damage at byte {at}");
        }
    }
}

#[test]
fn two_damaged_files_are_no_state_and_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    for name in NAMES {
        fs::write(dir.path().join(name), b"nonsense").unwrap();
    }
    let (mut cache, loaded) = Cache::open(dir.path()).unwrap();
    assert!(loaded.mirror.is_none());
    assert_eq!(loaded.refused.len(), 2);
    cache.store(&mirror(9)).unwrap();
    assert_eq!(Cache::open(dir.path()).unwrap().1.mirror, Some(mirror(9)));
}

#[test]
fn endpoints_are_kept_beside_the_state_and_damage_costs_only_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cache, _) = Cache::open(dir.path()).unwrap();
    cache.store(&mirror(1)).unwrap();
    let set = EndpointSet::new([Endpoint::new("10.0.0.1", Some(80))]).unwrap();
    let endpoints = Endpoints::from_iter([(EndpointKey::from_text("dns/*/a"), Arc::new(set))]);
    cache.store_endpoints(&endpoints).unwrap();
    cache.store(&mirror(2)).unwrap();
    let expected = Mirror {
        endpoints,
        ..mirror(2)
    };
    assert_eq!(Cache::open(dir.path()).unwrap().1.mirror, Some(expected));
    fs::write(dir.path().join("endpoints-b.cache"), b"nonsense").unwrap();
    let (_, loaded) = Cache::open(dir.path()).unwrap();
    assert_eq!((loaded.mirror, loaded.refused.len()), (Some(mirror(2)), 1));
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_other_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cache, _) = Cache::open(dir.path()).unwrap();
    cache.store(&mirror(1)).unwrap();
    cache.store(&mirror(2)).unwrap();
    let path = newest(dir.path());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let (_, loaded) = Cache::open(dir.path()).unwrap();
    assert_eq!(loaded.mirror, Some(mirror(1)));
    assert_eq!(loaded.refused.len(), 1, "{:?}", loaded.refused);
}
