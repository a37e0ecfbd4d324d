use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Outside, Pending};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Plugin, Step};

use super::{Held, MAX_BODY, MOST_HELD, ProxyMirror};
use crate::tests::{plugin, refusal};

/// Keeps what is asked for, and answers at once: a real server cannot show that nothing is waited for.
#[derive(Default)]
struct Kept(Mutex<Vec<HttpCall>>);

impl Outside for Kept {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        self.0.lock().unwrap().push(call);
        Box::pin(ready(Ok(HttpAnswer {
            status: StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            trailers: http::HeaderMap::new(),
        })))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        assert!(task.now_or_never().is_some());
    }
}

/// The copies of a request that is tried `tries` times.
fn copies(config: Value, request: RequestBuilder, tries: usize) -> Vec<HttpCall> {
    let (kept, host) = (Arc::new(Kept::default()), FakeHost::shared());
    host.set_outside(Arc::clone(&kept) as Arc<dyn Outside>);
    let plugin = plugin::<ProxyMirror>(config);
    let mut context = request.context(host);
    assert!(matches!(plugin.rewrite(&mut context), Step::Continue));
    for _ in 0..tries {
        assert!(matches!(plugin.before_proxy(&mut context), Step::Continue));
    }
    std::mem::take(&mut *kept.0.lock().unwrap())
}

fn uri(extra: Value, target: &str) -> String {
    let mut config = json!({"host": "http://copy.test:8080"});
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let copies = copies(config, request(target).body("text/plain", ""), 1);
    copies[0].uri.to_string()
}

#[test]
fn a_copy_is_the_request_once() {
    let request = request("/a?b=c")
        .method(Method::POST)
        .header("x-a", "1")
        .header("connection", "x-hop, keep-alive")
        .header("x-hop", "1")
        .header("transfer-encoding", "chunked")
        .header("expect", "100-continue")
        .body("text/plain", "hello");
    let copies = copies(json!({"host": "http://copy.test"}), request, 3);
    let [copy] = &copies[..] else {
        panic!("{} copies", copies.len());
    };
    assert_eq!(copy.uri, "http://copy.test/a?b=c");
    assert_eq!(
        (&copy.method, &copy.body[..]),
        (&Method::POST, &b"hello"[..])
    );
    assert_eq!(copy.headers["x-a"], "1");
    assert_eq!(copy.headers["host"], "example.com");
    for name in ["connection", "x-hop", "transfer-encoding", "expect"] {
        assert!(!copy.headers.contains_key(name), "{name}");
    }
    assert!(!copy.http2);
}

#[test]
fn the_path_may_be_replaced_or_get_a_prefix() {
    assert_eq!(
        uri(json!({}), "/a%20b?c=1"),
        "http://copy.test:8080/a%20b?c=1"
    );
    assert_eq!(
        uri(json!({"path": "/m"}), "/a?c=1"),
        "http://copy.test:8080/m?c=1"
    );
    assert_eq!(uri(json!({"path": "/m"}), "/a"), "http://copy.test:8080/m");
    let prefix = json!({"path": "/m", "path_concat_mode": "prefix"});
    assert_eq!(uri(prefix, "/a?c=1"), "http://copy.test:8080/m/a?c=1");
}

#[test]
fn a_body_that_was_not_read_is_asked_for_and_a_large_one_is_not_copied() {
    let plugin = plugin::<ProxyMirror>(json!({"host": "http://copy.test"}));
    let mut context = request("/")
        .method(Method::POST)
        .context(FakeHost::shared());
    assert!(matches!(plugin.rewrite(&mut context), Step::ReadBody));
    context
        .request
        .body
        .set_larger_than(MAX_BODY, bytes::Bytes::new());
    assert!(matches!(plugin.rewrite(&mut context), Step::Continue));
    assert!(matches!(plugin.before_proxy(&mut context), Step::Continue));
}

#[test]
fn copies_under_way_hold_so_much_and_no_more() {
    let all = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let first = Held::take(&all, MOST_HELD - 1).unwrap();
    assert!(Held::take(&all, 2).is_none());
    let second = Held::take(&all, 1).unwrap();
    assert!(Held::take(&all, 1).is_none());
    drop((first, second));
    assert_eq!(all.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn a_share_is_copied() {
    let host = FakeHost::shared();
    host.scatter(3);
    let plugin = plugin::<ProxyMirror>(json!({"host": "http://copy.test", "sample_ratio": 0.25}));
    let hits = (0..1000).filter(|_| {
        let mut context = request("/").context(Arc::clone(&host));
        matches!(plugin.rewrite(&mut context), Step::ReadBody)
    });
    let hits = hits.count();
    assert!((200..300).contains(&hits), "{hits}");
}

#[test]
fn grpc_is_copied_over_http_2() {
    for (host, expected) in [
        ("grpc://[::1]:50051", "http"),
        ("grpcs://copy.test", "https"),
    ] {
        let request = request("/pkg.Svc/Do").body("application/grpc", "\0\0\0\0\0");
        let copies = copies(json!({"host": host}), request, 1);
        assert!(copies[0].http2 && copies[0].uri.scheme_str() == Some(expected));
        assert!(!copies[0].headers.contains_key("host"));
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for config in [
        json!({}),
        json!({"host": "copy.test"}),
        json!({"host": "ftp://copy.test"}),
        json!({"host": "http://copy.test/path"}),
        json!({"host": "http://copy.test:99999"}),
        json!({"host": "http://a", "path": "no"}),
        json!({"host": "http://a", "path": "/a?b"}),
        json!({"host": "http://a", "path": "/a b"}),
        json!({"host": "http://a", "path_concat_mode": "suffix"}),
        json!({"host": "http://a", "sample_ratio": 0}),
        json!({"host": "http://a", "sample_ratio": 1.1}),
    ] {
        assert!(
            !refusal::<ProxyMirror>(config.clone()).is_empty(),
            "{config}"
        );
    }
}
