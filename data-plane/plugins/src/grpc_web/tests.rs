use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request, response};
use weir_plugin_api::{Context, Plugin, Step};

use super::{GrpcWeb, text};
use crate::tests::{answer, plugin, sent};

const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text";
const FRAME: &[u8] = b"\0\0\0\0\x02hi";

fn post(content_type: &str, body: impl Into<Bytes>) -> RequestBuilder {
    request("/grpc/a.B/C")
        .method(Method::POST)
        .body(content_type, body)
}

fn matched(request: RequestBuilder) -> Context {
    let mut context = request.context(FakeHost::shared());
    context.params = vec![
        (Arc::from("1"), "a.B/C".into()),
        (Arc::from(":ext"), "a.B/C".into()),
    ];
    context
}

fn trailers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.insert(*name, HeaderValue::from_static(value));
    }
    map
}

fn status(config: serde_json::Value, mut context: Context) -> Option<u16> {
    let plugin = plugin::<GrpcWeb>(config);
    let refused = answer(plugin.access(&mut context));
    refused.map(|refused| refused.status.as_u16())
}

#[test]
fn a_call_becomes_grpc_and_its_answer_grpc_web() {
    let plugin = plugin::<GrpcWeb>(json!({}));
    let mut context = matched(post(BINARY, FRAME));
    assert_eq!(answer(plugin.access(&mut context)), None);
    assert_eq!(context.target.uri.as_deref(), Some("/a.B/C"));
    assert_eq!(sent(&context, "content-type"), ["application/grpc"]);
    assert_eq!(context.request.body.replacement().unwrap(), FRAME);
    context.response = Some(response(
        200,
        &[
            ("content-type", "application/grpc"),
            ("content-length", "7"),
        ],
    ));
    plugin.header_filter(&mut context);
    let head = context.response.clone().unwrap();
    assert_eq!(head.headers["content-type"], BINARY);
    assert_eq!(head.headers["access-control-allow-origin"], "*");
    assert_eq!(
        head.headers["access-control-expose-headers"],
        "grpc-message,grpc-status"
    );
    assert!(head.body_changes && !head.headers.contains_key("content-length"));
    let mut chunk = Bytes::from_static(FRAME);
    plugin.body_filter(&mut context, &mut chunk, false);
    assert_eq!(chunk, FRAME);
    context.trailers = Some(trailers(&[("grpc-status", "0"), ("x-end", "of it")]));
    let mut chunk = Bytes::new();
    plugin.body_filter(&mut context, &mut chunk, true);
    assert_eq!(
        &chunk[..],
        b"\x80\0\0\0\x1cgrpc-status:0\r\nx-end:of it\r\n"
    );
    assert_eq!(context.trailers, None);
}

#[test]
fn the_text_form_is_one_base64_text() {
    let plugin = plugin::<GrpcWeb>(json!({}));
    let mut context = matched(post(TEXT, STANDARD.encode(FRAME)));
    assert_eq!(answer(plugin.access(&mut context)), None);
    assert_eq!(context.request.body.replacement().unwrap(), FRAME);
    context.response = Some(response(200, &[("grpc-status", "0")]));
    plugin.header_filter(&mut context);
    let mut all = Vec::new();
    for (piece, end) in [(&b"a"[..], false), (&b"bcde"[..], false), (&b""[..], true)] {
        let mut chunk = Bytes::from_static(piece);
        plugin.body_filter(&mut context, &mut chunk, end);
        all.extend_from_slice(&chunk);
    }
    let decoded = STANDARD.decode(all).unwrap();
    assert_eq!(decoded, b"abcde\x80\0\0\0\x0fgrpc-status:0\r\n");
}

#[test]
fn frames_may_be_encoded_one_by_one() {
    let joined = format!("{}{}", STANDARD.encode("a"), STANDARD.encode("bcd"));
    assert_eq!(text::decode(joined.as_bytes()).unwrap(), b"abcd");
    assert_eq!(text::decode(b"").unwrap(), b"");
    for broken in ["a", "ab=", "a===", "YQ==Y", "Y*Q="] {
        assert_eq!(text::decode(broken.as_bytes()), None, "{broken}");
    }
}

#[test]
fn an_answer_without_status_is_one_that_failed() {
    let plugin = plugin::<GrpcWeb>(json!({}));
    let mut context = matched(post(BINARY, FRAME));
    assert_eq!(answer(plugin.access(&mut context)), None);
    context.response = Some(response(502, &[]));
    plugin.header_filter(&mut context);
    let mut chunk = Bytes::new();
    plugin.body_filter(&mut context, &mut chunk, true);
    let text = b"grpc-status:2\r\ngrpc-message:upstream grpc status not received\r\n";
    assert_eq!(&chunk[5..], text);
    assert_eq!(chunk[4] as usize, text.len());
}

#[test]
fn preflights_are_answered_and_cors_goes_first() {
    let plugin = plugin::<GrpcWeb>(json!({"cors_allow_headers": "x-a"}));
    let mut context = matched(request("/grpc/a.B/C").method(Method::OPTIONS));
    assert_eq!(answer(plugin.access(&mut context)).unwrap().status, 204);
    context.response = Some(response(
        204,
        &[("access-control-allow-origin", "https://a.test")],
    ));
    plugin.header_filter(&mut context);
    let head = context.response.clone().unwrap();
    assert_eq!(head.headers["access-control-allow-methods"], "POST");
    assert_eq!(head.headers["access-control-allow-headers"], "x-a");
    assert_eq!(
        head.headers["access-control-allow-origin"],
        "https://a.test"
    );
    assert!(!head.body_changes);
    let mut chunk = Bytes::from_static(b"x");
    plugin.body_filter(&mut context, &mut chunk, true);
    assert_eq!(chunk, "x");
}

#[test]
fn what_is_no_call_is_refused() {
    assert_eq!(
        status(json!({}), matched(request("/grpc/a.B/C"))),
        Some(405)
    );
    assert_eq!(
        status(json!({}), matched(post("application/json", FRAME))),
        Some(400)
    );
    assert_eq!(status(json!({}), matched(post(BINARY, ""))), Some(400));
    assert_eq!(status(json!({}), matched(post(TEXT, "***"))), Some(400));
    assert_eq!(
        status(
            json!({"max_req_body_size": 3}),
            matched(post(BINARY, FRAME))
        ),
        Some(400)
    );
    let mut exact = matched(post(BINARY, FRAME));
    exact.params = Vec::new();
    assert_eq!(status(json!({}), exact), Some(400));
    let plugin = plugin::<GrpcWeb>(json!({}));
    let unread = request("/grpc/a.B/C")
        .method(Method::POST)
        .header("content-type", BINARY);
    assert!(matches!(
        plugin.access(&mut matched(unread)),
        Step::ReadBody
    ));
}
