use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Context, Plugin, ResponseHead};

use super::ResponseRewrite;
use crate::tests::{plugin, refusal};

/// Runs an answer through the plugin: the head and the body that the client gets.
fn run(config: Value, head: ResponseHead, chunks: &[&[u8]]) -> (Context, Vec<u8>) {
    let plugin = plugin::<ResponseRewrite>(config);
    let mut context = request("/p?who=me").context(FakeHost::shared());
    context.response = Some(head);
    plugin.header_filter(&mut context);
    let mut body = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut chunk = Bytes::copy_from_slice(chunk);
        plugin.body_filter(&mut context, &mut chunk, index + 1 == chunks.len());
        body.extend_from_slice(&chunk);
    }
    (context, body)
}

fn head(context: &Context) -> &ResponseHead {
    context.response.as_ref().unwrap()
}

fn received(context: &Context, name: &str) -> Vec<String> {
    let values = head(context).headers.get_all(name).iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

fn page() -> ResponseHead {
    response(
        200,
        &[
            ("content-length", "11"),
            ("content-type", "text/plain"),
            ("etag", "\"1\""),
            ("last-modified", "Tue, 15 Nov 1994 12:45:26 GMT"),
        ],
    )
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn filter(regex: &str, replace: &str, scope: &str, options: &str) -> Value {
    json!({"filters": [
        {"regex": regex, "replace": replace, "scope": scope, "options": options},
    ]})
}

#[test]
fn the_status_is_replaced_and_the_body_left_alone() {
    let (context, body) = run(json!({"status_code": 201}), page(), &[b"hello world"]);
    assert_eq!(head(&context).status, StatusCode::CREATED);
    assert_eq!(body, b"hello world");
    assert_eq!(received(&context, "content-length"), ["11"]);
    assert!(!head(&context).body_changes);
}

#[test]
fn the_body_is_replaced_once() {
    let (context, body) = run(json!({"body": "new"}), page(), &[b"hello ", b"world", b""]);
    assert_eq!(text(&body), "new");
    assert!(head(&context).body_changes);
    for name in [
        "content-length",
        "content-encoding",
        "etag",
        "last-modified",
    ] {
        assert!(received(&context, name).is_empty(), "{name}");
    }
    assert_eq!(received(&context, "content-type"), ["text/plain"]);
}

#[test]
fn an_empty_answer_gets_the_body_too() {
    let (_, body) = run(json!({"body": "new"}), page(), &[b""]);
    assert_eq!(text(&body), "new");
    let (_, body) = run(json!({"body": ""}), page(), &[b"old"]);
    assert_eq!(text(&body), "");
}

#[test]
fn a_body_may_be_base64() {
    let config = json!({"body": "AP8K", "body_base64": true});
    let (_, body) = run(config, page(), &[b"old"]);
    assert_eq!(body, [0x00, 0xff, 0x0a]);
}

#[test]
fn headers_are_added_set_and_removed() {
    let config = json!({"headers": {
        "add": ["X-A: 2", "Set-Cookie: a=b; Max-Age=3600"],
        "set": {"X-B": "$arg_who", "X-Status": "$status", "X-N": 4},
        "remove": ["X-C"],
    }});
    let before = response(404, &[("x-a", "1"), ("x-b", "1"), ("x-c", "1")]);
    let (context, _) = run(config, before, &[b""]);
    assert_eq!(received(&context, "x-a"), ["1", "2"]);
    assert_eq!(received(&context, "set-cookie"), ["a=b; Max-Age=3600"]);
    assert_eq!(received(&context, "x-b"), ["me"]);
    assert_eq!(received(&context, "x-status"), ["404"]);
    assert_eq!(received(&context, "x-n"), ["4"]);
    assert!(received(&context, "x-c").is_empty());
}

#[test]
fn the_flat_form_of_headers_sets() {
    let (context, _) = run(json!({"headers": {"X-A": "v"}}), page(), &[b""]);
    assert_eq!(received(&context, "x-a"), ["v"]);
}

#[test]
fn vars_decide_whether_anything_happens() {
    let config = json!({
        "vars": [["status", "==", 502]],
        "status_code": 503,
        "body": "back in a minute",
        "headers": {"X-A": "v"},
    });
    let (context, body) = run(config.clone(), page(), &[b"hello world"]);
    assert_eq!(head(&context).status, StatusCode::OK);
    assert_eq!(text(&body), "hello world");
    assert!(received(&context, "x-a").is_empty());
    let (context, body) = run(config, response(502, &[]), &[b"bad"]);
    assert_eq!(head(&context).status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(&body), "back in a minute");
}

#[test]
fn filters_see_the_whole_body() {
    let config = filter("hello", "bye", "once", "jo");
    let (context, body) = run(config, page(), &[b"say hel", b"lo hello", b""]);
    assert_eq!(text(&body), "say bye hello");
    assert!(head(&context).body_changes);
    assert!(received(&context, "content-length").is_empty());
}

#[test]
fn scope_global_replaces_every_match() {
    let config = filter("(h)ello", "$1i $0", "global", "jo");
    let (_, body) = run(config, page(), &[b"hello hello"]);
    assert_eq!(text(&body), "hi hello hi hello");
}

#[test]
fn filters_run_in_order_with_defaults() {
    let config = json!({"filters": [
        {"regex": "a", "replace": "b"},
        {"regex": "b+", "replace": "<$0>"},
    ]});
    let (_, body) = run(config, page(), &[b"abba"]);
    assert_eq!(text(&body), "<bbb>a");
}

#[test]
fn options_change_how_a_filter_matches() {
    for (regex, options, before, after) in [
        ("HELLO", "i", "hello", "X"),
        ("HELLO", "jo", "hello", "hello"),
        ("^b$", "m", "a\nb\nc", "a\nX\nc"),
        ("a.c", "s", "a\nc", "X"),
        ("a b", "x", "ab", "X"),
    ] {
        let (_, body) = run(
            filter(regex, "X", "once", options),
            page(),
            &[before.as_bytes()],
        );
        assert_eq!(text(&body), after, "{regex} {options}");
    }
}

#[test]
fn bytes_that_are_not_text_survive() {
    let (_, body) = run(
        filter("a", "b", "global", "jo"),
        page(),
        &[b"\xffa\xfe\x00a"],
    );
    assert_eq!(body, b"\xffb\xfe\x00b");
}

#[test]
fn encoded_bodies_are_decoded_and_sent_plain() {
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20)
        .write_all(b"hello world")
        .unwrap();
    for (encoding, encoded) in [("gzip", gzip(b"hello world")), ("br", brotli)] {
        let (first, second) = encoded.split_at(5);
        let before = response(200, &[("content-encoding", encoding)]);
        let config = filter("world", "you", "once", "jo");
        let (context, body) = run(config, before, &[first, second]);
        assert_eq!(text(&body), "hello you", "{encoding}");
        assert!(received(&context, "content-encoding").is_empty());
        assert!(!context.abort_response);
    }
}

#[test]
fn an_unknown_encoding_is_left_alone() {
    let before = response(
        200,
        &[("content-encoding", "compress"), ("content-length", "5")],
    );
    let (context, body) = run(filter("a", "b", "once", "jo"), before, &[b"aaaaa"]);
    assert_eq!(text(&body), "aaaaa");
    assert_eq!(received(&context, "content-encoding"), ["compress"]);
    assert!(!head(&context).body_changes);
}

#[test]
fn large_bodies_pass_unchanged() {
    let mut config = filter("a", "b", "global", "jo");
    config["max_resp_body_size"] = json!(4);
    let announced = response(200, &[("content-length", "5")]);
    let (context, body) = run(config.clone(), announced, &[b"aaaaa"]);
    assert_eq!(text(&body), "aaaaa");
    assert!(!head(&context).body_changes);
    let (_, body) = run(config.clone(), response(200, &[]), &[b"aaa", b"aa", b"aaa"]);
    assert_eq!(text(&body), "aaaaaaaa");
    let (_, body) = run(config, response(200, &[]), &[b"aa", b"aa", b""]);
    assert_eq!(text(&body), "bbbb");
}

#[test]
fn an_encoded_body_that_cannot_be_decoded_ends_the_answer() {
    let encoded = || response(200, &[("content-encoding", "gzip")]);
    let mut config = filter("a", "b", "global", "jo");
    let (context, body) = run(config.clone(), encoded(), &[b"not gzip"]);
    assert!(context.abort_response);
    assert!(body.is_empty());
    config["max_resp_body_size"] = json!(100);
    let bomb = gzip(&[b'a'; 100_000]);
    let (context, body) = run(config, encoded(), &[&bomb, b"", b""]);
    assert!(context.abort_response);
    assert!(body.is_empty());
}

#[test]
fn wrong_configurations_are_refused() {
    let text = |config: Value| refusal::<ResponseRewrite>(config);
    assert_eq!(text(json!({"body_base64": true})), "invalid base64 content");
    assert_eq!(
        text(json!({"body_base64": true, "body": "%%"})),
        "invalid base64 content"
    );
    assert_eq!(
        text(json!({"body_base64": true, "body": ""})),
        "invalid base64 content"
    );
    let reason = text(json!({"vars": ["status", "==", 200]}));
    assert!(
        reason.starts_with("failed to validate the 'vars' expression: "),
        "{reason}"
    );
    let reason = text(filter("(", "a", "once", "jo"));
    assert!(
        reason.starts_with("regex \"(\" validation failed: "),
        "{reason}"
    );
    let reason = text(filter("a", "a", "once", "jU"));
    assert!(reason.contains("option 'U' is not supported"), "{reason}");
    let reason = text(filter("(?<!a)b", "a", "once", "jo"));
    assert!(reason.contains("look-around"), "{reason}");
    assert_eq!(
        text(json!({"headers": {"set": {"X A": "b"}}})),
        r#"invalid field character in header (headers.set["X A"])"#
    );
    for config in [
        json!({"status_code": 199}),
        json!({"status_code": 599}),
        json!({"filters": []}),
        json!({"body": "a", "filters": [{"regex": "a", "replace": "b"}]}),
        json!({"headers": {"add": ["no colon"]}}),
        json!({"max_resp_body_size": 0}),
    ] {
        assert!(!text(config.clone()).is_empty(), "{config}");
    }
}
