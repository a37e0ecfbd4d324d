//! Tracing plugins against collectors of ours, which are fakes: they take what they are sent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use weir_plugins::opentelemetry::proto::{Export, Span};
use weir_tests::{Bench, wait};

/// A call that a collector got: path, content type and body.
type Call = (String, String, Bytes);

/// Takes whatever it is sent, over HTTP/1.1 and HTTP/2.
struct Collector {
    port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let seen = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                let service = service_fn(move |request| take(Arc::clone(&seen), request));
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, calls }
    }

    /// The first call, once it is there, which is taken away.
    async fn next(&self) -> Call {
        let limit = Duration::from_secs(30);
        wait::until("the collector is called", limit, || async {
            let mut calls = self.calls.lock().unwrap();
            match calls.is_empty() {
                true => Err("no call"),
                false => Ok(calls.remove(0)),
            }
        })
        .await
    }
}

async fn take(
    seen: Arc<Mutex<Vec<Call>>>,
    request: Request<Incoming>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let kind = head.headers.get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let call = (
        head.uri.path().to_owned(),
        kind.to_owned(),
        body.unwrap_or_default(),
    );
    let is_grpc = call.1 == "application/grpc";
    seen.lock().unwrap().push(call);
    if !is_grpc {
        return Ok(Response::new(Full::default().boxed()));
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let empty = Full::new(Bytes::from_static(&[0; 5]));
    let body = empty
        .with_trailers(std::future::ready(Some(Ok(trailers))))
        .boxed();
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// What the node was sent.
fn headers_of(answer: &weir_tests::Answer) -> Value {
    let told: Value = serde_json::from_str(&answer.text()).unwrap();
    told["headers"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zipkin_gets_the_spans_of_a_trace_that_goes_on() {
    let bench = Bench::start().await;
    let collector = Collector::start().await;
    let endpoint = format!("http://127.0.0.1:{}/api/v2/spans", collector.port);
    let config = json!({"endpoint": endpoint, "sample_ratio": 1, "service_name": "edge"});
    bench.route("z", json!({"zipkin": config})).await;
    let b3 = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";
    let answer = bench.get("/z?a=1", &[("b3", b3)]).await;
    let headers = headers_of(&answer);
    assert_eq!(headers["x-b3-traceid"], "80f198ee56343ba864fe8b2a57d3eff7");
    assert_eq!(headers["x-b3-sampled"], "1");
    assert!(headers.get("b3").is_none());

    let refused = bench.get("/z", &[("b3", "nonsense")]).await;
    assert_eq!(refused.status, 400);
    let denied = bench.get("/z", &[("x-b3-sampled", "0")]).await;
    assert_eq!(headers_of(&denied)["x-b3-sampled"], "0");

    let (path, kind, body) = collector.next().await;
    assert_eq!(
        (path.as_str(), kind.as_str()),
        ("/api/v2/spans", "application/json")
    );
    let spans: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(spans.len(), 3, "{spans:?}");
    let [server, proxy, answered] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(server["name"], "apisix.request");
    assert_eq!(server["parentId"], "e457b5a2e4d86bd1");
    assert_eq!(server["localEndpoint"]["serviceName"], "edge");
    assert_eq!(server["tags"]["http.url"], "/z?a=1");
    assert_eq!(server["tags"]["http.status_code"], "200");
    assert_eq!(proxy["id"], headers["x-b3-spanid"]);
    assert_eq!(proxy["remoteEndpoint"]["port"], bench.origin.address.port());
    assert_eq!(answered["parentId"], server["id"]);
    let end =
        |span: &Value| span["timestamp"].as_u64().unwrap() + span["duration"].as_u64().unwrap();
    assert!(proxy["timestamp"].as_u64() >= server["timestamp"].as_u64());
    // Spans that last no time last a microsecond.
    assert!(end(proxy) <= end(server) + 1);
}

/// The only span of a call.
fn span(message: &[u8]) -> Span {
    let mut export = Export::decode(message).unwrap();
    let mut resource = export.resource_spans.remove(0);
    let attributes = resource.resource.take().unwrap().attributes;
    assert!(
        attributes
            .iter()
            .any(|attribute| attribute.key == "service.name")
    );
    let mut scope = resource.scope_spans.remove(0);
    assert_eq!(scope.spans.len(), 1);
    scope.spans.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opentelemetry_speaks_http_and_grpc() {
    let bench = Bench::start().await;
    let collector = Collector::start().await;
    let metadata = |address: String| {
        json!({"collector": {"address": address}, "set_ngx_var": true,
        "batch_span_processor": {"max_export_batch_size": 1}})
    };
    let address = format!("127.0.0.1:{}", collector.port);
    bench
        .put("plugin_metadata/opentelemetry", metadata(address.clone()))
        .await;
    let config = json!({"sampler": {"name": "always_on"}, "additional_attributes": ["arg_a"]});
    let plugins = json!({"opentelemetry": config,
        "response-rewrite": {"headers": {"set": {"x-trace": "$opentelemetry_trace_id"}}}});
    bench.route("o", plugins).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = [("traceparent", parent), ("tracestate", "v=1")];
    let answer = bench.get("/o?a=1", &sent).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(answer.headers["x-trace"], trace);
    let headers = headers_of(&answer);
    assert_eq!(headers["tracestate"], "v=1");
    let (path, kind, body) = collector.next().await;
    assert_eq!(
        (path.as_str(), kind.as_str()),
        ("/v1/traces", "application/x-protobuf")
    );
    let made = span(&body);
    assert_eq!(made.name, "GET /o*");
    assert_eq!(made.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert!(
        made.attributes
            .iter()
            .any(|attribute| attribute.key == "arg_a")
    );
    let id: String = made
        .span_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(headers["traceparent"], format!("00-{trace}-{id}-01"));

    let grpc = metadata(format!("grpc://{address}"));
    bench.put("plugin_metadata/opentelemetry", grpc).await;
    assert_eq!(bench.get("/o", &[]).await.status, 200);
    let (path, kind, body) = collector.next().await;
    assert_eq!(
        path,
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
    assert_eq!(kind, "application/grpc");
    let mut body = BytesMut::from(&body[..]);
    let message = body.split_off(5);
    assert_eq!(
        u32::from_be_bytes(body[1..].try_into().unwrap()) as usize,
        message.len()
    );
    assert!(span(&message).parent_span_id.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_requests_pass_and_spans_are_counted() {
    let bench = Bench::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let metadata = json!({"collector": {"address": format!("127.0.0.1:{port}")},
        "batch_span_processor": {"max_export_batch_size": 2}});
    bench.put("plugin_metadata/opentelemetry", metadata).await;
    bench
        .route(
            "o",
            json!({"opentelemetry": {"sampler": {"name": "always_on"}}}),
        )
        .await;
    for _ in 0..4 {
        assert_eq!(bench.get("/o", &[]).await.status, 200);
    }
    let expected = format!(
        "weir_log_entries_dropped_total{{name=\"opentelemetry\",route_id=\"o\",server_addr=\"{}\"}} 4",
        bench.agent.ip
    );
    wait::until("the loss is counted", Duration::from_secs(30), || async {
        let url = bench.agent.status_url("/apisix/prometheus/metrics");
        let page = bench.agent.client.send(Method::GET, &url, &[], "").await;
        let page = page.text();
        if page.contains(&expected) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}
