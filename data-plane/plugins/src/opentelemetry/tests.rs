use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use weir_model::{PluginCatalog, PluginPart};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{CompileContext, Context, Outside, Plugin, RouteInfo};

use super::exporter::Exporter;
use super::proto::{AnyKind, KeyValue, Span};
use super::{Compiled, Metadata, Opentelemetry};
use crate::Builtin;
use crate::logging::tests::AtOnce;
use crate::logging::{BatchOptions, Batches, Delivery, Rules, Sender};
use crate::tests::{compile_in, refusal, sent};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps what a processor sends.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Span>>>);

impl Sender<Span> for Seen {
    fn send(&self, _outside: &Arc<dyn Outside>, batch: &[Span]) -> Delivery {
        self.0.lock().unwrap().extend(batch.to_vec());
        Box::pin(std::future::ready(Ok(())))
    }
}

fn opentelemetry(config: Value, metadata: Value) -> (Compiled, Seen) {
    let context = CompileContext {
        outside: Arc::new(AtOnce),
        metadata: Some(Arc::new(metadata)),
        ..CompileContext::dry()
    };
    let seen = Seen::default();
    let options = BatchOptions {
        batch_max_size: 1,
        ..BatchOptions::default()
    };
    let rules = Rules::new(&options, 10);
    let compiled = Compiled {
        batches: Batches::shared(
            "opentelemetry",
            "opentelemetry",
            rules,
            &context,
            seen.clone(),
        ),
        ..compile_in::<Opentelemetry>(config, &context).unwrap()
    };
    (compiled, seen)
}

fn run(plugin: &Compiled, request: RequestBuilder) -> Context {
    let host = FakeHost::shared();
    let mut context = request.context(Arc::clone(&host));
    context.route = Some(Arc::new(RouteInfo {
        id: "1".into(),
        ..RouteInfo::default()
    }));
    context.matched_uri = "/a/*".into();
    let _ = plugin.rewrite(&mut context);
    host.advance(Duration::from_millis(20));
    context.record.status = 503;
    context.record.reason = "no_node";
    context.record.total = Duration::from_millis(20);
    plugin.log(&mut context);
    context
}

fn text(span: &Span, key: &str) -> Option<String> {
    let attribute = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key)?;
    match attribute.value.clone()?.value? {
        AnyKind::Text(text) => Some(text),
        other => panic!("{other:?}"),
    }
}

fn on() -> Value {
    json!({"sampler": {"name": "always_on"}})
}

#[test]
fn a_request_is_one_span_below_that_of_the_client() {
    let mut config = on();
    config["additional_attributes"] = json!(["arg_x", "status", "nothing"]);
    config["additional_header_prefix_attributes"] = json!(["X-A", "x-b-*"]);
    let (plugin, seen) = opentelemetry(config, json!({}));
    let sent_in = request("/a/b?x=1")
        .header("traceparent", PARENT)
        .header("tracestate", "v=1")
        .header("x-a", "1")
        .header("x-b-c", "2")
        .header("x-bc", "3");
    let context = run(&plugin, sent_in);
    let span = seen.0.lock().unwrap().remove(0);
    assert_eq!(span.name, "GET /a/*");
    assert_eq!(span.kind, 2);
    assert_eq!(span.trace_state, "v=1");
    assert_eq!(span.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_020_000_000);
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    let status = span.status.clone().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "no_node"));
    for (key, value) in [
        ("net.host.name", "example.com"),
        ("http.method", "GET"),
        ("http.scheme", "http"),
        ("http.target", "/a/b?x=1"),
        ("http.route", "/a/*"),
        ("apisix.route_id", "1"),
        ("arg_x", "1"),
        ("status", "503"),
        ("x-a", "1"),
        ("x-b-c", "2"),
    ] {
        assert_eq!(text(&span, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(text(&span, "x-bc"), None);
    assert_eq!(text(&span, "nothing"), None);
    let id = span
        .span_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{id}-01");
    assert_eq!(sent(&context, "traceparent"), [expected]);
    assert_eq!(sent(&context, "tracestate"), ["v=1"]);
    assert!(sent(&context, "x-b3-traceid").is_empty());
    assert_eq!(context.opentelemetry, None);
}

#[test]
fn what_is_not_sampled_is_told_to_the_node() {
    let (plugin, seen) = opentelemetry(json!({}), json!({"set_ngx_var": true}));
    let context = run(&plugin, request("/").header("traceparent", PARENT));
    assert!(seen.0.lock().unwrap().is_empty());
    let value = sent(&context, "traceparent").remove(0);
    assert!(
        value.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{value}"
    );
    assert!(value.ends_with("-00"), "{value}");
    assert_eq!(context.opentelemetry.unwrap().traceparent(), value);
}

#[test]
fn b3_is_taken_and_told_where_it_came() {
    let config = json!({"sampler": {"name": "parent_base"}});
    let (plugin, seen) = opentelemetry(config, json!({}));
    let single = "80f198ee56343ba8-e457b5a2e4d86bd1-1";
    let context = run(&plugin, request("/").header("b3", single));
    let span = seen.0.lock().unwrap().remove(0);
    assert_eq!(span.trace_id, 0x80f1_98ee_5634_3ba8_u128.to_be_bytes());
    assert_eq!(span.parent_span_id, 0xe457_b5a2_e4d8_6bd1_u64.to_be_bytes());
    assert!(sent(&context, "b3").is_empty());
    assert_eq!(sent(&context, "x-b3-traceid"), ["80f198ee56343ba8"]);
    assert_eq!(sent(&context, "x-b3-parentspanid"), ["e457b5a2e4d86bd1"]);
    assert_eq!(sent(&context, "x-b3-sampled"), ["1"]);
}

#[test]
fn a_new_trace_may_have_the_id_of_the_request() {
    let metadata = json!({"trace_id_source": "x-request-id"});
    let (plugin, seen) = opentelemetry(on(), metadata);
    let id = "0af76519-16cd-43dd-8448-eb211c80319c";
    run(&plugin, request("/").header("x-request-id", id));
    // What is no id of a trace is passed over.
    run(&plugin, request("/").header("x-request-id", "a"));
    let spans = seen.0.lock().unwrap().clone();
    assert_eq!(
        spans[0].trace_id,
        0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()
    );
    assert_ne!(spans[1].trace_id, spans[0].trace_id);
    assert!(spans[1].parent_span_id.is_empty());
}

#[test]
fn the_service_has_a_name_and_what_an_operator_adds() {
    let of = |metadata: Value| {
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let hostname = Arc::new(OnceLock::from("h".to_owned()));
        let message = Exporter::new(&metadata, hostname).unwrap().message(&[]);
        message.resource_spans[0]
            .resource
            .clone()
            .unwrap()
            .attributes
    };
    let text = KeyValue::text;
    assert_eq!(
        of(json!({})),
        [text("hostname", "h"), text("service.name", "APISIX")]
    );
    let expected = [
        text("hostname", "h"),
        KeyValue::new("n", AnyKind::Double(1.5)),
        text("service.name", "edge"),
        KeyValue::new("yes", AnyKind::Bool(true)),
    ];
    let given = json!({"resource": {"service.name": "edge", "n": 1.5, "yes": true}});
    assert_eq!(of(given), expected);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<Opentelemetry>(json!({"sampler": {"name": "sometimes"}}));
    refusal::<Opentelemetry>(
        json!({"sampler": {"name": "trace_id_ratio", "options": {"fraction": 2}}}),
    );
    let check = |metadata: Value| Builtin.check("opentelemetry", PluginPart::Metadata, &metadata);
    let good = json!({"collector": {"address": "grpcs://a:4317", "request_headers": {"Authorization": "t", "n": 1}},
        "batch_span_processor": {"drop_on_queue_full": false, "batch_timeout": 0.5}});
    assert_eq!(check(good), Ok(()));
    for (metadata, place) in [
        (
            json!({"collector": {"address": "ftp://a"}}),
            "collector.address",
        ),
        (
            json!({"collector": {"request_timeout": 0}}),
            "collector.request_timeout",
        ),
        (
            json!({"collector": {"request_headers": {"a b": "1"}}}),
            "collector.request_headers",
        ),
        (
            json!({"batch_span_processor": {"max_queue_size": 0}}),
            "batch_span_processor.max_queue_size",
        ),
        (
            json!({"batch_span_processor": {"batch_timeout": -1}}),
            "batch_span_processor.batch_timeout",
        ),
    ] {
        let text = check(metadata).unwrap_err();
        assert!(text.contains(place), "{text}");
    }
}
