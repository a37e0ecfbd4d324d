use std::io::Read;

use bytes::Bytes;
use http::{Method, Version};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Context, Plugin, PluginDef, ResponseHead};

use super::Compiled;
use crate::brotli::Brotli;
use crate::encoding::Encoding;
use crate::gzip::Gzip;
use crate::tests::{plugin, refusal};
use crate::zstd::Zstd;

const ALL: [&str; 3] = ["gzip", "br", "zstd"];

fn of(coding: &str, config: Value) -> Compiled {
    match coding {
        "gzip" => plugin::<Gzip>(config),
        "br" => plugin::<Brotli>(config),
        _ => plugin::<Zstd>(config),
    }
}

fn page() -> ResponseHead {
    response(
        200,
        &[
            ("content-type", "text/html; charset=utf-8"),
            ("content-length", "1000"),
            ("etag", "\"1\""),
            ("accept-ranges", "bytes"),
        ],
    )
}

fn asked(accept: &str) -> Context {
    request("/")
        .header("accept-encoding", accept)
        .context(FakeHost::shared())
}

/// Runs the head of an answer through plugins, in this order.
fn through(plugins: &[&Compiled], mut context: Context, head: ResponseHead) -> Context {
    context.response = Some(head);
    for plugin in plugins {
        plugin.header_filter(&mut context);
    }
    context.choose_coding();
    context
}

fn received(context: &Context, name: &str) -> Vec<String> {
    let headers = &context.response.as_ref().unwrap().headers;
    let values = headers.get_all(name).iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

fn coding(context: &Context) -> Option<String> {
    received(context, "content-encoding").pop()
}

/// Every chunk as it goes out.
fn body(context: &mut Context, chunks: &[&[u8]]) -> Vec<Bytes> {
    let last = chunks.len() - 1;
    let chunks = chunks.iter().enumerate();
    chunks
        .map(|(index, chunk)| {
            let mut chunk = Bytes::copy_from_slice(chunk);
            context.code_body(&mut chunk, index == last);
            chunk
        })
        .collect()
}

#[test]
fn a_page_is_compressed_for_who_wants_it() {
    for name in ALL {
        let plugin = of(name, json!({}));
        let mut context = through(&[&plugin], asked(name), page());
        assert_eq!(received(&context, "content-encoding"), [name]);
        assert!(received(&context, "content-length").is_empty());
        assert!(received(&context, "accept-ranges").is_empty());
        assert!(received(&context, "vary").is_empty());
        assert_eq!(received(&context, "etag"), ["W/\"1\""]);
        assert!(context.response.as_ref().unwrap().body_changes);
        let text = b"hello world, hello world, hello world".repeat(50);
        let (first, second) = text.split_at(700);
        let sent = body(&mut context, &[first, b"", second, b""]).concat();
        assert!(sent.len() < text.len() / 2, "{name}");
        let encoding = Encoding::named(name).unwrap();
        assert_eq!(encoding.decode(&sent, 10_000).unwrap(), text, "{name}");
        assert!(!context.abort_response);
    }
}

#[test]
fn what_is_streamed_arrives_at_once() {
    for name in ALL {
        let plugin = of(name, json!({"types": ["text/event-stream"]}));
        let head = response(200, &[("content-type", "text/event-stream")]);
        let mut context = through(&[&plugin], asked(name), head);
        let events: [&[u8]; 3] = [b"data: 1\n\n", b"data: 2\n\n", b""];
        let sent = body(&mut context, &events);
        // All that came so far can be read of what went out so far.
        for until in 1..=2 {
            let far = sent.get(..until).unwrap().concat();
            let mut plain = vec![0; 9 * until];
            let mut reader: Box<dyn Read> = match name {
                "gzip" => Box::new(flate2::read::GzDecoder::new(&*far)),
                "br" => Box::new(::brotli::Decompressor::new(&*far, 16)),
                _ => Box::new(::zstd::stream::read::Decoder::new(&*far).unwrap()),
            };
            reader.read_exact(&mut plain).unwrap();
            assert!(
                plain.ends_with(format!("data: {until}\n\n").as_bytes()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_body_of_nothing_is_whole() {
    for name in ALL {
        let plugin = of(name, json!({}));
        let head = response(200, &[("content-type", "text/html")]);
        let mut context = through(&[&plugin], asked(name), head);
        let sent = body(&mut context, &[b""]).concat();
        let plain = Encoding::named(name).unwrap().decode(&sent, 10).unwrap();
        assert!(plain.is_empty(), "{name}");
    }
}

#[test]
fn answers_that_are_not_to_be_compressed_pass() {
    let html = ("content-type", "text/html");
    for (status, headers) in [
        (200, vec![]),
        (200, vec![("content-type", "text/plain")]),
        (200, vec![("content-type", "application/grpc")]),
        (200, vec![("content-type", "application/grpc-web+proto")]),
        (200, vec![html, ("content-length", "19")]),
        (200, vec![html, ("content-encoding", "br")]),
        (
            200,
            vec![
                html,
                ("content-encoding", "identity"),
                ("content-encoding", "x"),
            ],
        ),
        (200, vec![html, ("cache-control", "public, No-Transform")]),
        (200, vec![html, ("content-range", "bytes 0-1/2")]),
        (206, vec![html]),
        (204, vec![html]),
        (205, vec![html]),
        (304, vec![html]),
        (101, vec![html]),
    ] {
        let plugin = plugin::<Gzip>(json!({"types": ["text/html", "application/grpc"]}));
        let context = through(&[&plugin], asked("gzip"), response(status, &headers));
        assert!(!context.codes_body(), "{status} {headers:?}");
        assert!(!context.response.as_ref().unwrap().body_changes);
    }
    let every = plugin::<Gzip>(json!({"types": "*"}));
    for (kind, taken) in [("image/png", true), ("application/grpc+proto", false)] {
        let head = response(200, &[("content-type", kind)]);
        let context = through(&[&every], asked("gzip"), head);
        assert_eq!(context.codes_body(), taken, "{kind}");
    }
}

#[test]
fn requests_decide_too() {
    let plugin = plugin::<Gzip>(json!({}));
    let with = |method: Method, version: Version, accept: &str| {
        let mut context = asked(accept);
        context.request.method = method;
        context.request.version = version;
        through(&[&plugin], context, page()).codes_body()
    };
    assert!(with(Method::GET, Version::HTTP_11, "gzip"));
    assert!(with(Method::POST, Version::HTTP_2, "gzip"));
    assert!(!with(Method::HEAD, Version::HTTP_11, "gzip"));
    assert!(!with(Method::GET, Version::HTTP_10, "gzip"));
    assert!(!with(Method::GET, Version::HTTP_11, "gzip;q=0, *"));
    let old = crate::tests::plugin::<Gzip>(json!({"http_version": 1}));
    let mut context = asked("gzip");
    context.request.version = Version::HTTP_10;
    assert!(through(&[&old], context, page()).codes_body());
}

#[test]
fn one_of_several_acts_by_the_quality_that_the_client_gives() {
    let (zstd, brotli, gzip) = (
        plugin::<Zstd>(json!({})),
        plugin::<Brotli>(json!({})),
        plugin::<Gzip>(json!({})),
    );
    for (accept, expected) in [
        ("gzip, br, zstd", Some("zstd")),
        ("gzip, br", Some("br")),
        ("gzip;q=1, br;q=0.9, zstd;q=0.8", Some("gzip")),
        ("*;q=0.5, gzip;q=0.6", Some("gzip")),
        ("deflate", None),
    ] {
        let context = through(&[&zstd, &brotli, &gzip], asked(accept), page());
        assert_eq!(coding(&context).as_deref(), expected, "{accept}");
        assert!(received(&context, "content-encoding").len() < 2);
    }
}

#[test]
fn vary_is_told_to_everybody_once() {
    let gzip = plugin::<Gzip>(json!({"vary": true}));
    let brotli = plugin::<Brotli>(json!({"vary": true}));
    let context = through(&[&brotli, &gzip], asked("identity"), page());
    assert!(!context.codes_body());
    assert_eq!(received(&context, "vary"), ["Accept-Encoding"]);
    let mut head = page();
    head.headers
        .insert("vary", "origin, ACCEPT-encoding".parse().unwrap());
    let context = through(&[&gzip], asked("gzip"), head);
    assert_eq!(received(&context, "vary"), ["origin, ACCEPT-encoding"]);
    // What is never compressed does not depend on it.
    let context = through(&[&gzip], asked("gzip"), response(204, &[]));
    assert!(received(&context, "vary").is_empty());
}

#[test]
fn validators_are_weak_or_gone() {
    for (tag, expected) in [
        ("\"a\"", vec!["W/\"a\""]),
        ("W/\"a\"", vec!["W/\"a\""]),
        ("bare", vec![]),
    ] {
        let mut head = page();
        head.headers.insert("etag", tag.parse().unwrap());
        let plugin = plugin::<Gzip>(json!({}));
        let context = through(&[&plugin], asked("gzip"), head);
        assert_eq!(received(&context, "etag"), expected, "{tag}");
    }
}

#[test]
fn settings_of_the_codings_work() {
    let text: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| (n * n % 251).to_string().into_bytes())
        .collect();
    let size = |name: &str, config: Value| {
        let plugin = of(name, config);
        let mut context = through(&[&plugin], asked(name), page());
        let sent = body(&mut context, &[&text]).concat();
        let encoding = Encoding::named(name).unwrap();
        assert_eq!(encoding.decode(&sent, 10_000_000).unwrap(), text);
        sent.len()
    };
    let buffers = json!({"comp_level": 9, "buffers": {"number": 1, "size": 1}});
    assert!(size("gzip", buffers) <= size("gzip", json!({"comp_level": 1})));
    let best = json!({"comp_level": 9, "mode": 1, "lgwin": 0, "lgblock": 16});
    assert!(size("br", best) < size("br", json!({"comp_level": 0, "lgwin": 10})));
    let checked = size("zstd", json!({"checksum": true}));
    assert_eq!(checked, size("zstd", json!({})) + 4);
    assert!(size("zstd", json!({"comp_level": 15, "window_log": 10})) > 0);
}

#[test]
fn wrong_configurations_are_refused() {
    fn wrong<D: PluginDef>(configs: &[Value]) {
        for config in configs {
            assert!(!refusal::<D>(config.clone()).is_empty(), "{config}");
        }
    }
    let common = [
        json!({"types": []}),
        json!({"types": "text/html"}),
        json!({"min_length": 0}),
        json!({"http_version": 2}),
        json!({"vary": "yes"}),
        json!({"comp_level": 20}),
    ];
    wrong::<Gzip>(&common);
    wrong::<Brotli>(&common);
    wrong::<Zstd>(&common);
    wrong::<Gzip>(&[json!({"comp_level": 0}), json!({"buffers": {"size": 0}})]);
    wrong::<Brotli>(&[
        json!({"lgwin": 9}),
        json!({"lgblock": 25}),
        json!({"mode": 3}),
    ]);
    wrong::<Zstd>(&[json!({"window_log": 24}), json!({"window_log": 9})]);
}
