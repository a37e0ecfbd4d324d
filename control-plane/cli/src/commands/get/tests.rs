use std::sync::Arc;

use serde_json::json;

use super::*;

fn resource(kind: Kind, id: &str, spec: Value) -> Resource {
    Resource {
        key: Key::new(kind, id),
        spec: Arc::new(spec),
        created: 3,
        modified: 7,
        create_time: 100,
        update_time: 200,
        expires_at_ms: None,
    }
}

fn shown(resources: Vec<Resource>) -> Shown {
    Shown {
        resources,
        one: false,
    }
}

#[test]
fn routes_have_their_columns() {
    let routes = shown(vec![
        resource(
            Kind::Route,
            "1",
            json!({"uri": "/a/*", "methods": ["GET", "PUT"], "upstream_id": "shop",
                   "plugins": {"key-auth": {}}, "status": 0}),
        ),
        resource(
            Kind::Route,
            "two",
            json!({"name": "second", "uris": ["/a", "/b", "/c", "/d"], "host": "x.test",
                   "upstream": {"nodes": [{"host": "127.0.0.1", "port": 80, "weight": 1}]}}),
        ),
    ]);
    assert_eq!(
        routes.text(Format::Table, Palette::PLAIN),
        "\
ID   NAME    METHODS  HOSTS   URIS         TARGET          PLUGINS   STATUS    MODIFIED
1    -       GET,PUT  -       /a/*         upstreams/shop  key-auth  disabled  7
two  second  -        x.test  /a,/b,/c,+1  127.0.0.1:80    -         enabled   7
"
    );
}

#[test]
fn several_kinds_have_one_table_each() {
    let all = shown(vec![
        resource(
            Kind::Upstream,
            "u",
            json!({"type": "roundrobin", "nodes": {"a:1": 1}}),
        ),
        resource(Kind::Consumer, "jack", json!({"username": "jack"})),
    ]);
    assert_eq!(
        all.text(Format::Table, Palette::PLAIN),
        "\
upstreams
ID  NAME  TYPE        SCHEME  NODES  MODIFIED
u   -     roundrobin  -       a:1    7

consumers
ID    GROUP  PLUGINS  DESC  MODIFIED
jack  -      -        -     7
"
    );
}

#[test]
fn every_kind_has_columns() {
    for kind in Kind::ALL {
        let text = shown(vec![resource(kind, "x", json!({}))]).table(Palette::PLAIN);
        assert!(text.starts_with("ID"), "{kind}: {text}");
    }
}

#[test]
fn yaml_and_json_are_documents_that_apply_takes() {
    let two = shown(vec![
        resource(
            Kind::Route,
            "1",
            json!({"id": 1, "uri": "/a", "desc": "yes"}),
        ),
        resource(Kind::Secret, "vault/1", json!({"uri": "http://x"})),
    ]);
    assert_eq!(
        two.text(Format::Yaml, Palette::PLAIN),
        "\
kind: route
id: \"1\"
created: 3
modified: 7
create_time: 100
update_time: 200
spec:
  uri: /a
  desc: \"yes\"
---
kind: secret
id: vault/1
created: 3
modified: 7
create_time: 100
update_time: 200
spec:
  uri: http://x
"
    );
    for format in [Format::Yaml, Format::Json] {
        let text = two.text(format, Palette::PLAIN);
        let documents = crate::documents::parse("-", text.as_bytes())
            .unwrap()
            .documents;
        assert_eq!(documents[0].key, two.resources[0].key);
        assert_eq!(*documents[0].spec, json!({"uri": "/a", "desc": "yes"}));
        assert_eq!(documents[1].key, two.resources[1].key);
    }
    assert_eq!(
        two.text(Format::Name, Palette::PLAIN),
        "routes/1\nsecrets/vault/1\n"
    );
    assert_eq!(shown(Vec::new()).text(Format::Json, Palette::PLAIN), "[]\n");
    assert_eq!(shown(Vec::new()).text(Format::Table, Palette::PLAIN), "");
}

#[test]
fn what_is_wanted_is_a_kind_an_id_or_both() {
    let kind = |kind| Wanted::Kind(Some(kind));
    assert_eq!(wanted("route", None).unwrap(), kind(Kind::Route));
    assert_eq!(wanted("routes", None).unwrap(), kind(Kind::Route));
    assert_eq!(wanted("all", None).unwrap(), Wanted::Kind(None));
    let one = Wanted::One(Key::new(Kind::Route, "1"));
    assert_eq!(wanted("route", Some("1")).unwrap(), one);
    assert_eq!(wanted("routes/1", None).unwrap(), one);
    for (what, id) in [("rout", None), ("all", Some("1")), ("x/1", None)] {
        assert!(matches!(wanted(what, id), Err(Failure::Usage(_))), "{what}");
    }
}
