use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn read(text: &str) -> Parsed {
    parse("f.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{}", lines(&faults)))
}

fn keys(text: &str) -> Vec<String> {
    let parsed = read(text);
    let keys = parsed
        .documents
        .iter()
        .map(|document| document.key.to_string());
    keys.collect()
}

fn faults(text: &str) -> String {
    let faults = parse("f.yaml", text.as_bytes()).map(|parsed| parsed.documents);
    lines(&faults.unwrap_err())
}

fn only(text: &str) -> Value {
    let parsed = read(text);
    assert_eq!(parsed.documents.len(), 1, "{text}");
    Value::clone(&parsed.documents[0].spec)
}

#[test]
fn fields_may_stand_beside_kind_and_id() {
    let parsed = read("kind: route\nid: 7\nuri: /a\n");
    assert_eq!(parsed.documents[0].key.to_string(), "routes/7");
    assert_eq!(*parsed.documents[0].spec, json!({"uri": "/a"}));
}

#[test]
fn fields_may_stand_under_spec() {
    let text = "kind: upstreams\nid: u\nmodified: 12\nspec:\n  nodes: {}\n";
    let parsed = read(text);
    assert_eq!(parsed.documents[0].key.to_string(), "upstreams/u");
    assert_eq!(*parsed.documents[0].spec, json!({"nodes": {}}));
}

#[test]
fn json_values_and_arrays_are_understood() {
    let one = r#"{"kind": "route", "id": "1", "uri": "/"}"#;
    assert_eq!(keys(one), ["routes/1"]);
    let two = r#"{"kind": "route", "id": "2", "uri": "/"}"#;
    assert_eq!(keys(&format!("{one}\n{two}")), ["routes/1", "routes/2"]);
    assert_eq!(keys(&format!("[{one}, {two}]")), ["routes/1", "routes/2"]);
}

#[test]
fn json_keeps_what_yaml_would_not() {
    let text =
        r#"{"kind":"route","id":"1","desc":"\ud83d\ude00 \/ yes","n":1.5,"big":9007199254740993}"#;
    let document = only(text);
    assert_eq!(document["desc"], "\u{1f600} / yes");
    assert_eq!(document["big"], json!(9_007_199_254_740_993_u64));
}

#[test]
fn flow_style_yaml_is_not_mistaken_for_json() {
    assert_eq!(keys("{kind: route, id: 1, uri: /a}\n"), ["routes/1"]);
    assert_eq!(
        keys("[{kind: route, id: 1}]\n--- {kind: route, id: 2}"),
        ["routes/1", "routes/2"]
    );
}

#[test]
fn several_yaml_documents_come_in_order_and_empty_ones_are_skipped() {
    let text = "---\nkind: route\nid: b\n---\n---\nkind: route\nid: a\n...\n";
    assert_eq!(keys(text), ["routes/b", "routes/a"]);
}

#[test]
fn a_standalone_file_is_taken_as_it_is() {
    let text = "\
routes:
  -
    uri: /hello
    upstream:
        nodes:
            \"127.0.0.1:1980\": 1
        type: roundrobin
  - id: 2
    uri: /two
    create_time: 1700000000
services: []
upstreams:
consumers:
  - username: jack
    plugins: {}
  - id: jack/credentials/c1
    plugins:
      key-auth: {key: abc}
credentials:
  - id: jack/c2
    plugins: {}
ssls:
  - {id: s, cert: c, key: k}
plugin_configs: [{id: 1, plugins: {}}]
consumer_groups: [{id: g, plugins: {}}]
global_rules: [{id: 1, plugins: {}}]
plugin_metadata:
  - id: http-logger
    log_format: {host: $host}
stream_routes: [{server_port: 9100}]
protos: [{id: p, content: x}]
secrets:
  - id: vault/1
    uri: http://127.0.0.1:8200
registries: [{id: c, type: consul}]
plugins:
  - name: key-auth
routes_conf_version: 3
#END
";
    let parsed = read(text);
    let keys: Vec<_> = parsed
        .documents
        .iter()
        .map(|document| document.key.to_string())
        .collect();
    assert_eq!(
        keys,
        [
            "routes/arr_1",
            "routes/2",
            "consumers/jack",
            "credentials/jack/c1",
            "credentials/jack/c2",
            "ssls/s",
            "plugin_configs/1",
            "consumer_groups/g",
            "global_rules/1",
            "plugin_metadata/http-logger",
            "stream_routes/arr_1",
            "protos/p",
            "secrets/vault/1",
            "registries/c",
        ]
    );
    assert_eq!(*parsed.documents[1].spec, json!({"uri": "/two"}));
    assert_eq!(
        *parsed.documents[2].spec,
        json!({"username": "jack", "plugins": {}})
    );
    assert_eq!(parsed.notes.len(), 2, "{:?}", parsed.notes);
}

#[test]
fn numbers_and_strings_stay_what_they_are() {
    let text = "\
kind: route
id: 1
int: 5
negative: -3
float: 0.5
large: 18446744073709551615
quoted: \"5\"
octal: 0755
grouped: 1_000
answer: yes
switch: on
truth: true
nothing: null
tilde: ~
version: 1.10
date: 2026-11-24
address: 127.0.0.1:80
";
    assert_eq!(
        only(text),
        json!({
            "int": 5, "negative": -3, "float": 0.5, "large": 18_446_744_073_709_551_615_u64,
            "quoted": "5", "octal": "0755", "grouped": "1_000", "answer": "yes", "switch": "on",
            "truth": true, "nothing": null, "tilde": null, "version": 1.1, "date": "2026-11-24",
            "address": "127.0.0.1:80",
        })
    );
}

#[test]
fn numbers_that_cannot_be_kept_are_refused() {
    for text in [
        "kind: route\nid: 1\nn: 18446744073709551616\n",
        "kind: route\nid: 1\nn: .inf\n",
        "kind: route\nid: 1\nn: 1e999\n",
        r#"{"kind": "route", "id": "1", "n": 18446744073709551616}"#,
    ] {
        assert!(parse("f", text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn faults_name_file_line_and_path() {
    assert_eq!(
        faults("kind: rout\nid: 1\n"),
        "f.yaml:1: kind: expected one of secret, registry, ssl, proto, plugin_metadata, \
         global_rule, upstream, plugin_config, service, graphql_cost_decoration, route, \
         stream_route, consumer_group, consumer, credential, got \"rout\""
    );
    assert_eq!(
        faults("---\nkind: route\nuri: /\n"),
        "f.yaml:2: id: is missing: which route is this"
    );
    assert_eq!(
        faults("routes:\n- 5\nuris: []\n"),
        "f.yaml:2: routes[0]: expected an object, got a number\n\
         f.yaml:3: uris: expected `kind`, or a collection such as routes or upstreams"
    );
    assert_eq!(
        faults("routes: {}\n"),
        "f.yaml:1: routes: expected a list, got an object"
    );
    assert_eq!(
        faults("secrets: [{id: 1}]"),
        "f.yaml:1: id: expected MANAGER/ID, got \"1\""
    );
    assert_eq!(
        faults("kind: route\nid: [1]\n"),
        "f.yaml:2: id: expected a string or a whole number, got a list"
    );
    assert_eq!(
        faults("kind: route\nid: a\nspec: {id: b}\n"),
        "f.yaml:2: spec.id: differs from the id beside it"
    );
    assert_eq!(
        faults("kind: route\nid: a\nspec: {}\nuri: /\n"),
        "f.yaml:4: uri: unknown field beside kind, id and spec"
    );
    assert_eq!(
        faults("just text"),
        "f.yaml:1: expected a document, got plain text"
    );
    assert_eq!(
        faults("consumers: [{id: a, username: b}]"),
        "f.yaml:1: id: differs from username \"b\""
    );
}

#[test]
fn text_that_is_no_yaml_names_its_line() {
    let text = faults("kind: route\nid: 1\nuri: [\n");
    assert!(text.starts_with("f.yaml:"), "{text}");
    assert!(text.contains("not YAML"), "{text}");
    let twice = faults("kind: route\nid: 1\nuri: /\nuri: /b\n");
    assert!(twice.starts_with("f.yaml:4: not YAML"), "{twice}");
    let json = parse("f.json", br#"{"kind": "route", "id": }"#).unwrap_err();
    assert!(lines(&json).contains("not JSON"), "{json:?}");
    let binary = parse("f.yaml", &[0xff, 0xfe, 0x00]).unwrap_err();
    assert!(lines(&binary).contains("not UTF-8"), "{binary:?}");
}

#[test]
fn a_field_is_found_by_its_path() {
    let text = "\
kind: route
id: 1
uri: /a
upstream:
  nodes:
    - host: a
      port: 1
    - host: b
      port: bad
  pool:
    127.0.0.1:80: 1
plugins:
  limit-count:
    count: x
";
    let parsed = read(text);
    let line = |path: &str| parsed.documents[0].place(path).line.unwrap();
    assert_eq!(line("uri"), 3);
    assert_eq!(line("upstream.nodes[1].port"), 9);
    assert_eq!(line("upstream.pool.127.0.0.1:80"), 11);
    assert_eq!(line("plugins.limit-count.count"), 14);
    // What is missing is looked for around its place.
    assert_eq!(line("upstream.nodes[0].weight"), 6);
    assert_eq!(line(""), 1);
    let fault = parsed.documents[0].fault("upstream.nodes[1].port", "expected a number");
    assert_eq!(
        fault.to_string(),
        "f.yaml:9: routes/1: upstream.nodes[1].port: expected a number"
    );
}

#[test]
fn anchors_are_followed_but_bombs_are_refused_quickly() {
    let shared = "\
kind: route
id: 1
timeout: &t {connect: 1}
other: *t
merged:
  <<: *t
  send: 2
";
    let document = only(shared);
    assert_eq!(document["other"], json!({"connect": 1}));
    assert_eq!(document["merged"], json!({"connect": 1, "send": 2}));

    let mut bomb = String::from("kind: route\nid: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let started = Instant::now();
    assert!(faults(&bomb).contains("not YAML"));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn hostile_nesting_and_tags_are_refused() {
    let deep = format!(
        "kind: route\nid: 1\na: {}{}",
        "[".repeat(500),
        "]".repeat(500)
    );
    assert!(faults(&deep).contains("not YAML"));
    let json = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(parse("f.json", json.as_bytes()).is_err());
    let deep_block: String = (0..300)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    assert!(faults(&deep_block).contains("not YAML"));
    assert!(faults("kind: !!python/object route\nid: 1\n").contains("not YAML"));
    assert!(faults("kind: route\nid: &a [*a]\n").contains("not YAML"));
}

#[test]
fn one_resource_may_stand_only_once() {
    let mut documents = read("kind: route\nid: 1\n").documents;
    documents.extend(parse("g.yaml", b"\nroutes: [{id: 1}]").unwrap().documents);
    let faults = gather(documents).unwrap_err();
    assert_eq!(
        lines(&faults),
        "g.yaml:2: routes/1: given twice, first at f.yaml:1"
    );
}

#[test]
fn what_is_referred_to_comes_first() {
    let text =
        "routes: [{id: r}]\nconsumers: [{username: c}]\nupstreams: [{id: u}]\nservices: [{id: s}]";
    let documents = gather(read(text).documents).unwrap();
    let keys: Vec<_> = documents
        .iter()
        .map(|document| document.key.to_string())
        .collect();
    assert_eq!(
        keys,
        ["upstreams/u", "services/s", "routes/r", "consumers/c"]
    );
}

#[test]
fn directories_are_read_in_order_and_hidden_files_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    file("b.yaml", "kind: route\nid: b");
    file("a/z.json", r#"{"kind": "route", "id": "z"}"#);
    file("a/y.yml", "kind: route\nid: y");
    file(".hidden/x.yaml", "kind: route\nid: x");
    file(".x.yaml", "kind: route\nid: x");
    file("notes.txt", "not a document");
    std::os::unix::fs::symlink(dir.path(), dir.path().join("circle")).unwrap();
    let (documents, _) = files::read(&[dir.path().to_owned()]).unwrap();
    let keys: Vec<_> = documents.iter().map(|document| &*document.key.id).collect();
    assert_eq!(keys, ["y", "z", "b"]);
}

#[test]
fn faults_of_all_files_are_told_together() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), "kind: x").unwrap();
    std::fs::write(dir.path().join("b.yaml"), "kind: y").unwrap();
    let failure = files::read(&[dir.path().to_owned()])
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("a.yaml:1") && failure.contains("b.yaml:1"),
        "{failure}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(files::read(&[empty.path().to_owned()]).is_err());
    assert!(files::read(&["/does/not/exist".into()]).is_err());
}

proptest::proptest! {
    #[test]
    fn no_input_makes_the_parser_panic(text in "[\\PC\\n]{0,200}") {
        let _ = parse("f.yaml", text.as_bytes());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
        let _ = parse("f.json", &bytes);
    }
}

#[test]
fn registries_need_not_say_what_they_are() {
    for text in [
        "type: dns\nservers: [127.0.0.1]\n",
        "kind: registry\ntype: dns\nservers: [127.0.0.1]\n",
        "kind: registry\nid: registry\nspec: {type: dns, servers: [127.0.0.1]}\n",
        "{\"type\": \"dns\", \"servers\": [\"127.0.0.1\"]}",
        "registries: [{id: registry, type: dns, servers: [127.0.0.1]}]",
    ] {
        let parsed = parse_registries("f.yaml", text.as_bytes());
        let documents = parsed.map(|parsed| parsed.documents);
        let documents = documents.unwrap_or_else(|faults| panic!("{text}: {}", lines(&faults)));
        assert_eq!(
            documents[0].key.to_string(),
            "registries/registry",
            "{text}"
        );
        let spec = serde_json::json!({"type": "dns", "servers": ["127.0.0.1"]});
        assert_eq!(*documents[0].spec, spec, "{text}");
    }
    assert!(parse("f.yaml", b"type: dns\nservers: [127.0.0.1]\n").is_err());
}
