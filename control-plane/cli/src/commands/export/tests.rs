use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::commands::listing::without_id;
use crate::documents::{gather, parse};

fn resource(kind: Kind, id: &str, spec: Value) -> Resource {
    Resource {
        key: Key::new(kind, id),
        spec: Arc::new(spec),
        created: 1,
        modified: 1,
        create_time: 0,
        update_time: 0,
        expires_at_ms: None,
    }
}

#[test]
fn an_export_reads_back_as_the_same_resources() {
    let mut resources = vec![
        resource(
            Kind::Consumer,
            "jack",
            json!({"username": "jack", "plugins": {}}),
        ),
        resource(
            Kind::Credential,
            "jack/c1",
            json!({"plugins": {"key-auth": {"key": "0755"}}}),
        ),
        resource(Kind::GlobalRule, "1", json!({"id": "1", "plugins": {}})),
        resource(
            Kind::PluginMetadata,
            "http-logger",
            json!({"kind": "odd", "log_format": {}}),
        ),
        resource(Kind::Registry, "c", json!({"type": "consul"})),
        resource(
            Kind::Route,
            "1",
            json!({"uri": "/", "id": 1, "vars": [["a", "==", "yes"]]}),
        ),
        resource(Kind::Secret, "vault/1", json!({"token": "x"})),
        resource(
            Kind::Ssl,
            "s",
            json!({"cert": "-----B\nx\n", "key": "k\n", "sni": "*.a"}),
        ),
        resource(Kind::Upstream, "u", json!({"nodes": {"127.0.0.1:80": 1}})),
        resource(
            Kind::GraphqlCostDecoration,
            "s/d",
            json!({"field_path": "a.b"}),
        ),
    ];
    let document = standalone(&resources.iter().collect::<Vec<_>>());
    for text in [yaml::text(&document), json::pretty(&document)] {
        let parsed = parse("export", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
        let documents = gather(parsed.documents).unwrap();
        resources.sort_by_key(|resource| crate::documents::rank(resource.key.kind));
        assert_eq!(documents.len(), resources.len());
        for (document, resource) in documents.iter().zip(&resources) {
            assert_eq!(document.key, resource.key);
            assert_eq!(document.spec, without_id(&resource.key, &resource.spec));
        }
    }
}

#[test]
fn the_file_is_a_standalone_file() {
    let resources = [
        resource(Kind::Route, "1", json!({"uri": "/a", "upstream_id": "u"})),
        resource(Kind::Upstream, "u", json!({"nodes": {"127.0.0.1:80": 1}})),
    ];
    let text = yaml::text(&standalone(&resources.iter().collect::<Vec<_>>()));
    assert_eq!(
        text,
        "\
upstreams:
- id: u
  nodes:
    \"127.0.0.1:80\": 1
routes:
- id: \"1\"
  uri: /a
  upstream_id: u
"
    );
}

#[test]
fn a_file_is_replaced_whole_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup.yaml");
    std::fs::write(&path, "old and longer").unwrap();
    write(&path, "new").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
