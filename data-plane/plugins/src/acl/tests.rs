use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Consumer, Plugin};

use super::Acl;
use crate::tests::{answer, plugin, refusal};

/// The status for a consumer with this label `team`, if any.
fn consumer(config: Value, team: Option<&str>) -> u16 {
    let mut context = request("/").context(FakeHost::shared());
    let label = team.map(|team| ("team".to_owned(), team.to_owned()));
    context.consumer = Some(Arc::new(Consumer {
        labels: label.into_iter().collect::<BTreeMap<_, _>>(),
        ..Consumer::default()
    }));
    let refused = answer(plugin::<Acl>(config).access(&mut context));
    refused.map_or(200, |refused| refused.status.as_u16())
}

/// The same for an external user.
fn user(config: Value, user: Value) -> u16 {
    let mut context = request("/").context(FakeHost::shared());
    context.external_user = Some(Arc::new(user));
    let refused = answer(plugin::<Acl>(config).access(&mut context));
    refused.map_or(200, |refused| refused.status.as_u16())
}

#[test]
fn labels_of_a_consumer_decide() {
    let allow = json!({"allow_labels": {"team": ["cloud", "infra"]}});
    assert_eq!(consumer(allow.clone(), Some("infra")), 200);
    assert_eq!(consumer(allow.clone(), Some("fake,  infra")), 200);
    assert_eq!(consumer(allow.clone(), Some(r#"["fake","cloud"]"#)), 200);
    assert_eq!(consumer(allow.clone(), Some("[broken")), 403);
    assert_eq!(consumer(allow.clone(), Some("fake")), 403);
    assert_eq!(consumer(allow, None), 403);
    let deny = json!({"deny_labels": {"team": ["cloud"]}});
    assert_eq!(consumer(deny.clone(), Some("cloud")), 403);
    assert_eq!(consumer(deny.clone(), Some("infra")), 200);
    assert_eq!(consumer(deny, None), 200);
    let both = json!({"allow_labels": {"team": ["a"]}, "deny_labels": {"team": ["b"]}});
    assert_eq!(consumer(both.clone(), Some("a")), 200);
    assert_eq!(consumer(both, Some("a,b")), 403);
}

#[test]
fn labels_of_an_external_user_decide() {
    let config = |extra: Value| {
        let mut config = json!({"allow_labels": {"groups": ["dev"]}});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        config
    };
    let plain = config(json!({}));
    assert_eq!(user(plain.clone(), json!({"groups": ["ops", "dev"]})), 200);
    assert_eq!(user(plain.clone(), json!({"groups": "ops, dev"})), 200);
    assert_eq!(user(plain.clone(), json!({"groups": 7})), 403);
    assert_eq!(user(plain, json!({"name": "jack"})), 403);
    let table = config(json!({"external_user_label_field_parser": "table"}));
    assert_eq!(user(table.clone(), json!({"groups": "dev"})), 403);
    assert_eq!(user(table, json!({"groups": ["dev"]})), 200);
    let text = config(
        json!({"external_user_label_field_parser": "segmented_text", "external_user_label_field_separator": "[|;]"}),
    );
    assert_eq!(user(text.clone(), json!({"groups": "ops | dev"})), 200);
    assert_eq!(user(text, json!({"groups": "ops,dev"})), 403);
    let named = json!({"external_user_label_field": "$..roles", "external_user_label_field_key": "role",
        "deny_labels": {"role": ["guest"]}});
    let both = json!({"a": {"roles": ["admin"]}, "b": {"roles": ["guest"]}});
    assert_eq!(user(named.clone(), both), 403);
    assert_eq!(user(named, json!({"a": {"roles": ["admin"]}})), 200);
}

#[test]
fn what_is_too_large_to_be_looked_at_lets_nobody_in() {
    let config = json!({"external_user_label_field": "$..roles", "deny_labels": {"x": ["y"]}});
    assert_eq!(user(config, json!({"a": vec![1; 20_000]})), 403);
}

#[test]
fn refusals_have_their_texts() {
    let run = |config: Value, known: bool| {
        let mut context = request("/").context(FakeHost::shared());
        context.consumer = known.then(Arc::default);
        let refused = answer(plugin::<Acl>(config).access(&mut context)).unwrap();
        (refused.status.as_u16(), refused.body)
    };
    let allow = json!({"allow_labels": {"a": ["b"]}});
    let message = |text: &str| Body::Json(json!({"message": text}));
    assert_eq!(
        run(allow.clone(), false),
        (401, message("Missing authentication."))
    );
    assert_eq!(
        run(allow, true),
        (403, message("The consumer is forbidden."))
    );
    let own = json!({"allow_labels": {"a": ["b"]}, "rejected_code": 404, "rejected_msg": "no"});
    assert_eq!(run(own, true), (404, message("no")));
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<Acl>(json!({}));
    refusal::<Acl>(
        json!({"allow_labels": {"a": ["b"]}, "external_user_label_field_parser": "segmented_text"}),
    );
    let text = refusal::<Acl>(
        json!({"allow_labels": {"a": ["b"]}, "external_user_label_field": "$..([x"}),
    );
    assert!(
        text.starts_with("invalid external_user_label_field: "),
        "{text}"
    );
    let text = refusal::<Acl>(
        json!({"allow_labels": {"a": ["b"]}, "external_user_label_field_parser": "segmented_text",
        "external_user_label_field_separator": "("}),
    );
    assert!(
        text.starts_with("external_user_label_field_separator: not a regular expression"),
        "{text}"
    );
    assert_eq!(
        refusal::<Acl>(json!({"allow_labels": {"a": ["b"]}, "rejected_code": 1000})),
        "rejected_code must be a status, got 1000"
    );
}
