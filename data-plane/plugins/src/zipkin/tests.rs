use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request, response};
use weir_plugin_api::{CompileContext, Context, Outside, Plugin, Step};

use super::json::{Trace, encode};
use super::{Compiled, Zipkin};
use crate::logging::tests::AtOnce;
use crate::logging::{BatchOptions, Batches, Delivery, Rules, Sender};
use crate::tests::{compile, plugin, refusal, sent};

/// Keeps what a processor sends.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Value>>>);

impl Sender<Trace> for Seen {
    fn send(&self, _outside: &Arc<dyn Outside>, batch: &[Trace]) -> Delivery {
        let spans: Value = serde_json::from_str(&encode("S", batch)).unwrap();
        self.0
            .lock()
            .unwrap()
            .extend(spans.as_array().unwrap().clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

fn zipkin(config: Value) -> (Compiled, Seen) {
    let mut whole = json!({"endpoint": "http://127.0.0.1:9411/api/v2/spans", "sample_ratio": 1});
    whole
        .as_object_mut()
        .unwrap()
        .extend(config.as_object().unwrap().clone());
    let seen = Seen::default();
    let context = CompileContext {
        outside: Arc::new(AtOnce),
        ..CompileContext::dry()
    };
    let options = BatchOptions {
        batch_max_size: 1,
        ..BatchOptions::default()
    };
    let compiled = Compiled {
        batches: Batches::shared(
            "zipkin",
            "zipkin",
            Rules::new(&options, 10),
            &context,
            seen.clone(),
        ),
        ..plugin::<Zipkin>(whole)
    };
    (compiled, seen)
}

/// A request on its way through all phases, each of which takes 10 ms.
fn run(zipkin: &Compiled, request: RequestBuilder) -> Context {
    let host = FakeHost::shared();
    let mut context = request.context(Arc::clone(&host));
    let tick = Duration::from_millis(10);
    host.advance(tick);
    assert!(matches!(zipkin.rewrite(&mut context), Step::Continue));
    host.advance(tick);
    assert!(matches!(zipkin.access(&mut context), Step::Continue));
    host.advance(tick);
    context.response = Some(response(200, &[]));
    context.record.node = "127.0.0.1:1980".parse().ok();
    zipkin.header_filter(&mut context);
    host.advance(tick);
    context.record.status = 200;
    context.record.total = tick * 4;
    zipkin.log(&mut context);
    context
}

#[test]
fn a_request_is_three_spans() {
    let (zipkin, seen) = zipkin(json!({"server_addr": "10.0.0.1"}));
    let context = run(&zipkin, request("/a?b=1"));
    let spans = seen.0.lock().unwrap().clone();
    let names: Vec<_> = spans.iter().map(|span| &span["name"]).collect();
    assert_eq!(
        names,
        ["apisix.request", "apisix.proxy", "apisix.response_span"]
    );
    let [server, proxy, answer] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(server["kind"], "SERVER");
    assert!(server.get("parentId").is_none());
    assert_eq!(server["timestamp"], 1_700_000_000_000_000_u64);
    assert_eq!(server["duration"], 40_000);
    assert_eq!(
        server["localEndpoint"],
        json!({"ipv4": "10.0.0.1", "port": 9080, "serviceName": "S"})
    );
    assert_eq!(
        server["remoteEndpoint"],
        json!({"ipv4": "192.0.2.1", "port": 50_000})
    );
    assert_eq!(
        server["tags"],
        json!({"component": "apisix", "http.method": "GET", "http.url": "/a?b=1", "http.status_code": "200"})
    );
    assert_eq!(proxy["parentId"], server["id"]);
    assert_eq!(
        (&proxy["kind"], &proxy["duration"]),
        (&json!("CLIENT"), &json!(30_000))
    );
    assert_eq!(answer["parentId"], server["id"]);
    assert_eq!(answer["duration"], 10_000);
    assert_eq!(
        sent(&context, "x-b3-traceid"),
        [server["traceId"].as_str().unwrap()]
    );
    assert_eq!(
        sent(&context, "x-b3-spanid"),
        [proxy["id"].as_str().unwrap()]
    );
    assert_eq!(
        sent(&context, "x-b3-parentspanid"),
        [server["id"].as_str().unwrap()]
    );
    assert_eq!(sent(&context, "x-b3-sampled"), ["1"]);
    let trace = context.zipkin.unwrap();
    assert_eq!(format!("{:032x}", trace.trace_id), server["traceId"]);
}

#[test]
fn version_1_has_a_span_for_each_phase() {
    let (zipkin, seen) = zipkin(json!({"span_version": 1}));
    run(&zipkin, request("/"));
    let spans = seen.0.lock().unwrap().clone();
    let names: Vec<_> = spans
        .iter()
        .map(|span| span["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "apisix.request",
            "apisix.rewrite",
            "apisix.access",
            "apisix.proxy",
            "apisix.body_filter"
        ]
    );
    assert_eq!(spans[4]["parentId"], spans[3]["id"]);
    let lengths: Vec<_> = spans
        .iter()
        .map(|span| span["duration"].as_u64().unwrap())
        .collect();
    assert_eq!(lengths, [40_000, 10_000, 10_000, 20_000, 10_000]);
}

#[test]
fn a_trace_goes_on() {
    let (zipkin, seen) = zipkin(json!({"sample_ratio": 0.00001}));
    let single = "80f198ee56343ba8-e457b5a2e4d86bd1-d";
    let context = run(&zipkin, request("/").header("b3", single));
    let spans = seen.0.lock().unwrap().clone();
    assert_eq!(spans[0]["traceId"], "80f198ee56343ba8");
    assert_eq!(spans[0]["parentId"], "e457b5a2e4d86bd1");
    assert_eq!(spans[0]["debug"], true);
    assert!(sent(&context, "b3").is_empty());
    assert_eq!(sent(&context, "x-b3-traceid"), ["80f198ee56343ba8"]);
    assert_eq!(sent(&context, "x-b3-flags"), ["1"]);
}

#[test]
fn what_is_not_sampled_is_told_to_the_node_only() {
    let (zipkin, seen) = zipkin(json!({}));
    let context = run(&zipkin, request("/").header("x-b3-sampled", "0"));
    assert!(seen.0.lock().unwrap().is_empty());
    assert_eq!(sent(&context, "x-b3-sampled"), ["0"]);
    assert!(sent(&context, "x-b3-traceid").is_empty());
    assert_eq!(context.zipkin, None);
}

#[test]
fn about_as_many_are_sampled_as_the_ratio_says() {
    let (zipkin, seen) = zipkin(json!({"sample_ratio": 0.25}));
    let host = FakeHost::shared();
    host.scatter(7);
    for _ in 0..1000 {
        let mut context = request("/").context(Arc::clone(&host));
        let _ = zipkin.rewrite(&mut context);
        zipkin.log(&mut context);
    }
    let count = seen.0.lock().unwrap().len();
    assert!((200..300).contains(&count), "{count}");
}

#[test]
fn a_malformed_header_is_answered_with_400() {
    let (zipkin, _) = zipkin(json!({}));
    let mut context = request("/").header("b3", "x").context(FakeHost::shared());
    let answer = crate::tests::answer(zipkin.rewrite(&mut context)).unwrap();
    assert_eq!(answer.status.as_u16(), 400);
}

#[test]
fn wrong_configurations_are_refused() {
    let good = |extra: Value| {
        let mut config = json!({"endpoint": "http://a", "sample_ratio": 0.5});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        config
    };
    assert!(compile::<Zipkin>(good(json!({}))).is_ok());
    refusal::<Zipkin>(json!({"endpoint": "http://a"}));
    for extra in [
        json!({"sample_ratio": 0}),
        json!({"sample_ratio": 2}),
        json!({"span_version": 3}),
        json!({"server_addr": "localhost"}),
        json!({"server_addr": "300.1.1.1"}),
        json!({"endpoint": "nowhere"}),
    ] {
        refusal::<Zipkin>(good(extra));
    }
}
