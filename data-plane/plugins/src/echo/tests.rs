use bytes::Bytes;
use serde_json::{Value, json};
use weir_plugin_api::Plugin;
use weir_plugin_api::testkit::{FakeHost, request, response};

use super::Echo;
use crate::tests::{plugin, refusal};

/// The body that becomes of these pieces, and a header.
fn run(config: Value, pieces: &[&'static str]) -> (String, String) {
    let plugin = plugin::<Echo>(config);
    let mut context = request("/").context(FakeHost::shared());
    context.response = Some(response(200, &[("x-echo", "node")]));
    plugin.header_filter(&mut context);
    assert!(context.response.as_ref().unwrap().body_changes);
    let mut body = String::new();
    for (number, piece) in pieces.iter().enumerate() {
        let mut chunk = Bytes::from_static(piece.as_bytes());
        plugin.body_filter(&mut context, &mut chunk, number + 1 == pieces.len());
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let header = context.response.unwrap().headers["x-echo"].clone();
    (body, header.to_str().unwrap().to_owned())
}

#[test]
fn texts_stand_around_or_in_place_of_the_body() {
    let around = json!({"before_body": "<", "after_body": ">", "headers": {"X-Echo": "$host"}});
    // Values are sent as they stand.
    let expected = ("<ab>".to_owned(), "$host".to_owned());
    assert_eq!(run(around, &["a", "b", ""]), expected);
    let instead = json!({"body": "c", "before_body": "<", "after_body": ">"});
    assert_eq!(
        run(instead.clone(), &["a", "b"]),
        ("<c>".into(), "node".into())
    );
    assert_eq!(run(instead, &[""]).0, "<c>");
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<Echo>(json!({}));
    refusal::<Echo>(json!({"headers": {"a": "b"}}));
    refusal::<Echo>(json!({"body": "a", "headers": {}}));
}
