use serde_json::json;
use weir_model::Kind;

use super::*;

fn key() -> Key {
    Key::new(Kind::Credential, "jack/c1")
}

#[test]
fn an_id_that_repeats_the_key_makes_no_difference() {
    let a = json!({"id": "c1", "plugins": {}});
    let b = json!({"plugins": {}});
    assert!(equal(&key(), &a, &b) && equal(&key(), &b, &a) && equal(&key(), &a, &a));
    assert!(!equal(&key(), &json!({"id": "c2", "plugins": {}}), &b));
    assert!(!equal(&key(), &json!({"plugins": {}, "desc": "x"}), &b));
    assert!(!equal(&key(), &b, &json!({"plugins": {}, "desc": "x"})));
    assert!(!equal(
        &key(),
        &json!({"plugins": {"a": 1}}),
        &json!({"plugins": {"a": 2}})
    ));
}

#[test]
fn a_document_is_an_object_that_agrees_with_its_key() {
    let read = |text: &str| document_of(&key(), text.as_bytes());
    assert!(read(r#"{"id": "c1"}"#).is_ok() && read("{}").is_ok());
    assert_eq!(read(r#"{"id": "x"}"#).unwrap_err().path, "id");
    assert_eq!(read(r#"{"id": [1]}"#).unwrap_err().path, "id");
    assert!(read("[]").is_err() && read("{").is_err() && read("").is_err());
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(MAX_DOCUMENT));
    assert!(read(&large).unwrap_err().message.contains("larger than"));
}

#[test]
fn a_time_to_live_becomes_a_point_in_time_and_does_not_overflow() {
    let change = |ttl_seconds| Change {
        key: Some((&key()).into()),
        operation: Some(WireOperation::Put(b"{}".to_vec())),
        ttl_seconds,
        ..Change::default()
    };
    let expires = |ttl| {
        let wanted = intents(vec![change(ttl)], 1000).unwrap();
        match &wanted[0].action {
            Action::Put { expires_at_ms, .. } => *expires_at_ms,
            Action::Delete { .. } => None,
        }
    };
    assert_eq!(expires(0), None);
    assert_eq!(expires(5), Some(6000));
    assert_eq!(expires(u64::MAX), Some(u64::MAX));
}
