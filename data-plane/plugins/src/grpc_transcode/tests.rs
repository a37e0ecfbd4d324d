use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request, response};
use weir_plugin_api::{CompileContext, Context, Plugin, Protos};

use super::{Compiled, GrpcTranscode};
use crate::tests::{answer, compile_in, sent};

const PROTO: &str = r#"
syntax = "proto3";
package t;
enum Color { RED = 0; BLUE = 2; }
message Item { string name = 1; int64 size = 2; }
message All {
  string name = 1; int32 small = 2; int64 large = 3; uint64 huge = 4; double real = 5; bool on = 6;
  Color color = 7; Item item = 8; repeated Item items = 9; repeated int32 numbers = 10;
  map<string, int64> sizes = 11; bytes raw = 12; oneof one { string a = 13; string b = 14; } float f = 15;
}
service S {
  rpc Echo (All) returns (All);
  rpc Watch (All) returns (stream All);
}
"#;

struct Known;

impl Protos for Known {
    fn content(&self, id: &str) -> Option<String> {
        match id {
            "1" => Some(PROTO.to_owned()),
            "2" => Some("not a proto".to_owned()),
            "3" => {
                let pool = crate::proto::compile(PROTO).unwrap();
                Some(STANDARD.encode(pool.encode_to_vec()))
            }
            _ => None,
        }
    }
}

fn config(more: &Value) -> Value {
    let mut config = json!({"proto_id": "1", "service": "t.S", "method": "Echo"});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn compiled(more: &Value) -> Result<Compiled, String> {
    let context = CompileContext {
        protos: Some(&Known),
        ..CompileContext::dry()
    };
    compile_in::<GrpcTranscode>(config(more), &context)
}

fn post(body: &Value) -> RequestBuilder {
    request("/echo?name=query")
        .method(Method::POST)
        .body("application/json", body.to_string())
}

fn called(plugin: &Compiled, request: RequestBuilder) -> Context {
    let mut context = request.context(FakeHost::shared());
    assert_eq!(answer(plugin.access(&mut context)), None);
    context
}

/// What comes back when the node sends the message that it got.
fn echoed(more: &Value, request: RequestBuilder) -> Value {
    let plugin = compiled(more).unwrap();
    let mut context = called(&plugin, request);
    let body = context.request.body.replacement().unwrap().clone();
    let (status, text) = told(&plugin, &mut context, &[], &[&body], None);
    assert_eq!(status, 200);
    serde_json::from_slice(&text).unwrap()
}

fn told(
    plugin: &Compiled,
    context: &mut Context,
    head: &[(&str, &str)],
    chunks: &[&[u8]],
    trailers: Option<HeaderMap>,
) -> (u16, Vec<u8>) {
    context.response = Some(response(200, head));
    plugin.header_filter(context);
    let mut out = Vec::new();
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        plugin.body_filter(context, &mut chunk, false);
        out.extend_from_slice(&chunk);
    }
    context.trailers = trailers;
    let mut chunk = Bytes::new();
    plugin.body_filter(context, &mut chunk, true);
    out.extend_from_slice(&chunk);
    (context.response.as_ref().unwrap().status.as_u16(), out)
}

#[test]
fn a_request_becomes_a_call() {
    let plugin = compiled(&json!({"deadline": 250.5})).unwrap();
    let context = called(&plugin, post(&json!({"name": "a", "unknown": 1})));
    assert_eq!(
        context.request.body.replacement().unwrap(),
        &b"\0\0\0\0\x03\x0a\x01a"[..]
    );
    assert_eq!(context.target.uri.as_deref(), Some("/t.S/Echo"));
    assert_eq!(context.target.method, Some(Method::POST));
    assert_eq!(sent(&context, "content-type"), ["application/grpc"]);
    assert_eq!(sent(&context, "grpc-timeout"), ["251m"]);
}

#[test]
fn every_type_goes_there_and_back() {
    let all = json!({
        "name": "ä", "small": -7, "large": 9_007_199_254_740_993_i64, "huge": u64::MAX, "real": 0.1, "on": true,
        "color": "BLUE", "item": {"name": "i", "size": 1}, "items": [{"name": "x", "size": 2}],
        "numbers": [1, 2], "sizes": {"k": 3, "l": 4}, "raw": "text", "b": "one of", "f": 0.1
    });
    assert_eq!(echoed(&json!({}), post(&all)), all);
    assert_eq!(echoed(&json!({"proto_id": "3"}), post(&all)), all);
}

#[test]
fn fields_that_are_not_set_have_their_defaults() {
    let none = json!({
        "name": "", "small": 0, "large": 0, "huge": 0, "real": 0.0, "on": false, "color": "RED",
        "items": [], "numbers": [], "sizes": {}, "raw": "", "f": 0.0
    });
    assert_eq!(echoed(&json!({}), post(&json!({}))), none);
    let plain = json!({"pb_option": ["no_default_values"]});
    assert_eq!(echoed(&plain, post(&json!({}))), json!({}));
}

#[test]
fn options_change_the_json() {
    let given = json!({"large": "#9007199254740993", "huge": "#0x20000000000001", "color": 2, "small": "5"});
    let of = |options: &[&str]| {
        let mut all = vec!["no_default_values"];
        all.extend(options);
        echoed(&json!({"pb_option": all}), post(&given))
    };
    let number = 9_007_199_254_740_993_i64;
    assert_eq!(
        of(&[]),
        json!({"small": 5, "large": number, "huge": number, "color": "BLUE"})
    );
    assert_eq!(
        of(&["int64_as_string", "enum_as_value"]),
        json!({"small": 5, "large": "#9007199254740993", "huge": "#9007199254740993", "color": 2})
    );
    let hex = of(&["int64_as_hexstring"]);
    assert_eq!(hex["large"], "#0x20000000000001");
    let small = echoed(
        &json!({"pb_option": ["int64_as_string", "no_default_values"]}),
        post(&json!({"large": -1})),
    );
    assert_eq!(small, json!({"large": -1}));
}

#[test]
fn queries_and_forms_give_fields_too() {
    let options = json!({"pb_option": ["no_default_values"]});
    let query = request("/echo?name=x&small=7&on=true&numbers=1&numbers=2&color=2");
    let expected = json!({"name": "x", "small": 7, "on": true, "color": "BLUE", "numbers": [1, 2]});
    assert_eq!(echoed(&options, query), expected);
    let form = request("/echo?name=y")
        .method(Method::POST)
        .body("application/x-www-form-urlencoded", "name=x&numbers=1");
    assert_eq!(echoed(&options, form), json!({"name": "x", "numbers": [1]}));
}

#[test]
fn what_does_not_fit_is_refused() {
    let plugin = compiled(&json!({})).unwrap();
    let status = |request: RequestBuilder| {
        let mut context = request.context(FakeHost::shared());
        answer(plugin.access(&mut context)).map(|answer| answer.status.as_u16())
    };
    for misfit in [
        json!({"small": "x"}),
        json!({"small": 1.5}),
        json!({"small": 3_000_000_000_u32}),
        json!({"item": 1}),
        json!({"color": "GREEN"}),
        json!({"numbers": {"a": 1}}),
        json!({"sizes": [1]}),
        json!({"on": "maybe"}),
        json!({"huge": -1}),
        json!({"name": {}}),
        json!({"items": [1]}),
    ] {
        assert_eq!(status(post(&misfit)), Some(503), "{misfit}");
    }
    assert_eq!(status(post(&json!([1]))), Some(400));
    let broken = request("/")
        .method(Method::POST)
        .body("application/json", "{");
    assert_eq!(status(broken), Some(400));
}

#[test]
fn a_failure_in_the_head_is_a_status() {
    for (grpc, http) in [
        ("1", 499),
        ("3", 400),
        ("5", 404),
        ("14", 503),
        ("16", 401),
        ("17", 599),
    ] {
        let plugin = compiled(&json!({})).unwrap();
        let mut context = called(&plugin, post(&json!({})));
        let (status, body) = told(&plugin, &mut context, &[("grpc-status", grpc)], &[], None);
        assert_eq!((status, body.as_slice()), (http, &b""[..]), "{grpc}");
    }
}

#[test]
fn a_failure_may_be_told_in_the_body() {
    let detail = b"\x0a\x01x";
    let mut status = vec![8, 5, 0x12, 2, b'n', b'o', 0x1a, 10, 0x0a, 3];
    status.extend_from_slice(b"t/X\x12\x03");
    status.extend_from_slice(detail);
    let told_in = |more: &Value, details: &str, trailing: bool| {
        let plugin = compiled(more).unwrap();
        let mut context = called(&plugin, post(&json!({})));
        let fields = [("grpc-status", "5"), ("grpc-status-details-bin", details)];
        if !trailing {
            return told(&plugin, &mut context, &fields, &[], None);
        }
        let mut trailers = HeaderMap::new();
        for (name, value) in fields {
            trailers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        told(&plugin, &mut context, &[], &[], Some(trailers))
    };
    let encoded = STANDARD.encode(&status);
    let show = json!({"show_status_in_body": true});
    let (code, body) = told_in(&show, encoded.trim_end_matches('='), false);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({"error": {"code": 5, "message": "no", "details": [{"type_url": "t/X", "value": "\n\u{1}x"}]}});
    assert_eq!((code, body), (404, expected));
    let typed = json!({"show_status_in_body": true, "status_detail_type": "t.Item", "pb_option": ["no_default_values"]});
    let (_, body) = told_in(&typed, &encoded, false);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["details"], json!([{"name": "x"}]));
    let (code, body) = told_in(&typed, &encoded, true);
    assert!(code == 200 && body.starts_with(b"{\"error\""));
    assert_eq!(told_in(&json!({}), &encoded, true).1, b"");
    assert_eq!(
        told_in(&show, "%", false).1,
        b"grpc-status-details-bin is not base64 format"
    );
    assert_eq!(
        told_in(&show, "/w", false).1,
        b"failed to call pb.decode to decode grpc-status-details-bin"
    );
    let unknown = json!({"show_status_in_body": true, "status_detail_type": "t.X"});
    assert_eq!(
        told_in(&unknown, &encoded, false).1,
        b"failed to call pb.decode to decode details in grpc-status-details-bin"
    );
}

#[test]
fn an_answer_that_is_no_message_is_told() {
    let plugin = compiled(&json!({"max_resp_body_size": 20})).unwrap();
    for body in [
        &b""[..],
        b"\0\0\0\0\x09x",
        b"\x01\0\0\0\x01x",
        b"\0\0\0\0\x01\xff",
    ] {
        let mut context = called(&plugin, post(&json!({})));
        let (_, text) = told(&plugin, &mut context, &[], &[body], None);
        assert_eq!(text, b"failed to decode response data by protobuf");
    }
    let mut context = called(&plugin, post(&json!({})));
    let (_, text) = told(&plugin, &mut context, &[], &[&[0; 30]], None);
    assert!(text.is_empty() && context.abort_response);
}

#[test]
fn what_is_not_there_cannot_be_called() {
    for missing in [
        json!({"proto_id": "9"}),
        json!({"proto_id": 2}),
        json!({"method": "Nothing"}),
        json!({"service": "S"}),
    ] {
        let plugin = compiled(&missing).unwrap();
        let mut context = post(&json!({})).context(FakeHost::shared());
        let refused = answer(plugin.access(&mut context)).unwrap();
        assert_eq!(refused.status, 503, "{missing}");
    }
    let stream = compiled(&json!({"method": "Watch"}));
    assert!(
        stream
            .err()
            .unwrap()
            .contains("stream, which is not supported")
    );
}
