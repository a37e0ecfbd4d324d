use serde_json::{Value, json};
use weir_model::{Key, Kind, NoPlugins};
use weir_store::{Precondition, Target};

use super::{Action, Error, Intent, Request, prepare, validate};

fn put(target: Target, spec: Value) -> Request {
    Request {
        intents: vec![Intent {
            target,
            action: Action::Put {
                spec,
                expires_at_ms: None,
            },
            precondition: Precondition::None,
        }],
        allow_unknown: true,
        dry_run: false,
        author: "admin".to_owned(),
        message: String::new(),
        now_ms: 1,
    }
}

fn first_problem(key: &Key, spec: &Value) -> Option<String> {
    let validation = validate(&NoPlugins, key, spec);
    validation
        .problems
        .into_iter()
        .next()
        .map(|problem| problem.message)
}

#[test]
fn a_document_that_log_readers_could_not_read_is_refused() {
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let key = Key::new(Kind::Route, "1");
    let problem = first_problem(&key, &json!({"uri": "/a", "vars": nested}));
    assert_eq!(
        problem.as_deref(),
        Some("invalid configuration: nested deeper than 64 levels")
    );
}

#[test]
fn ids_have_the_form_of_their_kind() {
    let spec = json!({"nodes": {}});
    for id in ["", "a b", "a/b", "é", &"x".repeat(65)] {
        let problem = first_problem(&Key::new(Kind::Upstream, id), &spec);
        assert!(
            problem.is_some_and(|text| text.contains("property \"id\"")),
            "{id}"
        );
    }
    assert_eq!(
        first_problem(&Key::new(Kind::Upstream, "a-1_b.c"), &spec),
        None
    );
    let secret = json!({"uri": "http://127.0.0.1", "prefix": "p", "token": "t"});
    assert_eq!(
        first_problem(&Key::new(Kind::Secret, "vault/1"), &secret),
        None
    );
    assert!(first_problem(&Key::new(Kind::Secret, "vault"), &secret).is_some());
}

#[test]
fn a_proto_is_compiled() {
    let key = Key::new(Kind::Proto, "1");
    let good =
        "syntax = \"proto3\"; import \"google/protobuf/empty.proto\"; message A { int32 b = 1; }";
    assert_eq!(first_problem(&key, &json!({"content": good})), None);
    let bad = first_problem(&key, &json!({"content": "syntax = ;;;"})).unwrap();
    assert!(bad.starts_with("invalid content: "), "{bad}");
    let deep = format!("syntax = \"proto3\"; {}", "message A { ".repeat(50_000));
    let problem = first_problem(&key, &json!({"content": deep})).unwrap();
    assert_eq!(problem, "invalid content: nested deeper than 64 levels");
    let elsewhere = "syntax = \"proto3\"; import \"/etc/passwd\";";
    assert!(first_problem(&key, &json!({"content": elsewhere})).is_some());
}

#[test]
fn all_wrong_documents_are_named() {
    let mut request = put(Target::New(Kind::Route), json!({"uri": 1}));
    request.intents.extend(
        put(
            Target::Key(Key::new(Kind::Upstream, "1")),
            json!({"nodes": 1}),
        )
        .intents,
    );
    match prepare(&NoPlugins, request) {
        Err(Error::Invalid(refused)) => {
            let positions: Vec<_> = refused.iter().map(|refused| refused.change).collect();
            assert_eq!(positions, [0, 1]);
            assert_eq!(refused[0].key, None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_fields_are_a_warning_or_a_problem() {
    let spec = json!({"nodes": {}, "checks": {"active": {"http_paht": "/"}}});
    let mut request = put(Target::Key(Key::new(Kind::Upstream, "1")), spec);
    let (_, warnings) = prepare(&NoPlugins, request.clone()).unwrap();
    let text = warnings[0].problem.to_string();
    assert!(
        text.contains("http_paht") && text.contains("http_path"),
        "{text}"
    );
    request.allow_unknown = false;
    assert!(matches!(
        prepare(&NoPlugins, request),
        Err(Error::Invalid(_))
    ));
}
