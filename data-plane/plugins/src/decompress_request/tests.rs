use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Context, Plugin, Response, Step};

use super::DecompressRequest;
use crate::tests::{answer, at_once, plugin, refusal, sent};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Runs a body through the plugin: what the node would get, or the answer.
fn run(config: Value, coding: &str, body: Vec<u8>) -> (Context, Option<Response>) {
    let plugin = plugin::<DecompressRequest>(config);
    let mut context = request("/")
        .method(Method::POST)
        .header("content-encoding", coding)
        .header("content-md5", "x")
        .body("application/json", body)
        .context(FakeHost::shared());
    let step = match plugin.rewrite(&mut context) {
        waits @ Step::Wait(_) => at_once(waits),
        Step::Respond(response) => Step::Respond(response),
        _ => Step::Continue,
    };
    let answer = answer(step);
    (context, answer)
}

fn told(response: &Response) -> &str {
    match &response.body {
        Body::Json(body) => body["error_msg"].as_str().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bodies_of_every_coding_are_forwarded_plain() {
    let text = b"{\"hello\": \"world\"} ".repeat(20_000);
    let mut brotli = Vec::new();
    ::brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20)
        .write_all(&text)
        .unwrap();
    let zstd = ::zstd::encode_all(text.as_slice(), 3).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&text).unwrap();
    let config = json!({"max_ratio": 100_000});
    for (coding, body) in [
        ("gzip", gzip(&text)),
        ("X-GZIP", gzip(&text)),
        ("br", brotli),
        ("zstd", zstd),
        ("deflate", zlib.finish().unwrap()),
    ] {
        let (context, answer) = run(config.clone(), coding, body);
        assert_eq!(answer, None, "{coding}");
        let plain = context.request.body.replacement();
        assert!(plain == Some(&Bytes::from(text.clone())), "{coding}");
        assert!(sent(&context, "content-encoding").is_empty());
        assert!(sent(&context, "content-md5").is_empty());
    }
}

#[test]
fn a_plain_body_passes() {
    let (context, answer) = run(json!({}), "identity", b"plain".to_vec());
    assert_eq!(answer, None);
    assert_eq!(context.request.body.replacement(), None);
    assert_eq!(sent(&context, "content-md5"), ["x"]);
}

#[test]
fn an_empty_body_stays_empty() {
    let (context, answer) = run(json!({}), "gzip", Vec::new());
    assert_eq!(answer, None);
    assert!(sent(&context, "content-encoding").is_empty());
    assert_eq!(context.request.body.replacement(), Some(&Bytes::new()));
}

#[test]
fn codings_that_are_not_undone_are_refused() {
    for (coding, config) in [
        ("compress", json!({})),
        ("gzip, br", json!({})),
        ("br", json!({"codings": ["gzip", "zstd"]})),
    ] {
        let (context, answer) = run(config, coding, gzip(b"a"));
        let answer = answer.unwrap();
        assert_eq!(answer.status, 415, "{coding}");
        assert_eq!(answer.headers[0].0, "accept-encoding");
        assert_eq!(context.record.reason, "request_coding_unsupported");
    }
}

#[test]
fn bombs_are_refused() {
    let bomb = gzip(&vec![0; 5_000_000]);
    assert!(bomb.len() < 10_000);
    let (context, answer) = run(json!({}), "gzip", bomb.clone());
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status.as_u16(), told(&answer)),
        (413, "request body is compressed too much")
    );
    assert_eq!(context.record.reason, "request_ratio_too_large");
    assert_eq!(context.request.body.replacement(), None);

    let config = json!({"max_size": 1_000_000, "max_ratio": 5_000});
    let (context, answer) = run(config, "gzip", bomb);
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status.as_u16(), told(&answer)),
        (413, "decompressed request body is too large")
    );
    assert_eq!(context.record.reason, "request_plain_too_large");

    // A body that is too large before it is undone.
    let (_, answer) = run(json!({"max_size": 10}), "gzip", gzip(b"hello"));
    assert_eq!(answer.unwrap().status, 413);

    // Small bodies may be compressed a lot.
    let (_, answer) = run(json!({"max_ratio": 1}), "gzip", gzip(&[b'a'; 60_000]));
    assert_eq!(answer, None);
}

#[test]
fn a_corrupt_body_is_refused() {
    let mut cut = gzip(&b"0123456789abcdef".repeat(1000));
    cut.truncate(cut.len() - 4);
    for body in [b"not gzip".to_vec(), cut] {
        let (context, answer) = run(json!({}), "gzip", body);
        assert_eq!(answer.unwrap().status, 400);
        assert_eq!(context.record.reason, "request_coding_corrupt");
    }
}

#[test]
fn the_body_is_asked_for() {
    let plugin = plugin::<DecompressRequest>(json!({"max_size": 100}));
    let mut context = request("/")
        .header("content-encoding", "gzip")
        .context(FakeHost::shared());
    assert!(matches!(plugin.rewrite(&mut context), Step::ReadBody));
    assert_eq!(context.request.body.wanted(), Some(100));
}

#[test]
fn wrong_configurations_are_refused() {
    for config in [
        json!({"codings": []}),
        json!({"codings": ["lzma"]}),
        json!({"max_size": 0}),
        json!({"max_ratio": 0}),
    ] {
        assert!(
            !refusal::<DecompressRequest>(config.clone()).is_empty(),
            "{config}"
        );
    }
}
