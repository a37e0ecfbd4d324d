use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::outside::{CallError, HttpCall};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Context, Plugin, PluginDef, Response, Step, WholeBody};

use crate::azure_functions::AzureFunctions;
use crate::fake_service::{FakeService, says};
use crate::tests::{answer, at_once, plugin, refusal};

/// A function that keeps what it is asked, and gives one answer.
pub(crate) struct Platform {
    service: Arc<FakeService>,
    host: Arc<FakeHost>,
}

impl Platform {
    pub(crate) fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let answer = says(status, headers, body);
        let (service, host) = FakeService::start(move |_| Ok(answer.clone()));
        Self { service, host }
    }

    fn gone() -> Self {
        let (service, host) = FakeService::start(|_| {
            Err(CallError::Timeout {
                address: "f.test".into(),
                limit_ms: 3000,
            })
        });
        Self { service, host }
    }

    /// The answer of a plugin that calls it.
    pub(crate) fn answer(&self, plugin: &impl Plugin, request: RequestBuilder) -> Response {
        self.answer_to(plugin, &mut self.context(request))
    }

    fn context(&self, request: RequestBuilder) -> Context {
        let mut context = request.context(Arc::clone(&self.host));
        if context.request.body.whole(1) == WholeBody::Unread {
            context.request.body.set(Bytes::new());
        }
        context
    }

    fn answer_to(&self, plugin: &impl Plugin, context: &mut Context) -> Response {
        answer(at_once(plugin.access(context))).unwrap()
    }

    /// The one call that it got.
    pub(crate) fn asked(&self) -> HttpCall {
        let mut calls = self.service.asked();
        assert_eq!(calls.len(), 1);
        calls.remove(0)
    }
}

/// What a function is asked by `D` with this configuration.
pub(crate) fn asked<D: PluginDef>(config: Value, request: RequestBuilder) -> HttpCall {
    let platform = Platform::answering(200, &[], "");
    platform.answer(&plugin::<D>(config), request);
    platform.asked()
}

/// The value of a header that is there once, or nothing.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    assert!(headers.get_all(name).iter().count() <= 1, "{name}");
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn post(target: &str) -> RequestBuilder {
    request(target)
        .method(Method::POST)
        .body("application/json", "{}")
}

#[test]
fn a_function_gets_the_request_of_the_client() {
    let request = post("/x?b=2&c=a%20b")
        .header("x-own", "1")
        .header("connection", "close, x-hop")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("host", "example.com");
    let call = asked::<AzureFunctions>(json!({"function_uri": "https://f.test/api?a=1"}), request);
    assert_eq!(call.method, Method::POST);
    assert_eq!(call.uri, "https://f.test/api?a=1&b=2&c=a%20b");
    assert_eq!(call.body, "{}");
    assert_eq!(header(&call.headers, "x-own"), "1");
    assert_eq!(header(&call.headers, "content-type"), "application/json");
    for gone in ["connection", "x-hop", "te", "host"] {
        assert!(!call.headers.contains_key(gone), "{gone}");
    }
}

#[test]
fn what_the_star_of_a_route_stands_for_follows_the_path() {
    for (uri, tail, expected) in [
        ("http://f.test", "a b/c", "http://f.test/a%20b/c"),
        ("http://f.test/api", "a", "http://f.test/api/a"),
        ("http://f.test/api/", "/a", "http://f.test/api/a"),
        ("http://f.test/api", "/a", "http://f.test/api/a"),
    ] {
        let platform = Platform::answering(200, &[], "");
        let mut context = platform.context(post("/any"));
        context.params = vec![(":ext".into(), tail.into())];
        let plugin = plugin::<AzureFunctions>(json!({"function_uri": uri}));
        platform.answer_to(&plugin, &mut context);
        assert_eq!(platform.asked().uri, expected);
    }
}

#[test]
fn calls_are_made_as_the_options_say() {
    let call = asked::<AzureFunctions>(json!({"function_uri": "f.test"}), post("/"));
    assert_eq!(call.uri, "http://f.test/");
    assert_eq!(call.timeout, Duration::from_secs(3));
    assert_eq!((call.verify, call.keepalive), (true, true));
    assert_eq!((call.idle, call.max_idle), (Duration::from_mins(1), 5));
    let config = json!({
        "function_uri": "http://f.test", "timeout": 100, "ssl_verify": false, "keepalive": false,
        "keepalive_timeout": 2000, "keepalive_pool": 7
    });
    let call = asked::<AzureFunctions>(config, post("/"));
    assert_eq!(call.timeout, Duration::from_millis(100));
    assert_eq!((call.verify, call.keepalive), (false, false));
    assert_eq!((call.idle, call.max_idle), (Duration::from_secs(2), 7));
}

#[test]
fn the_answer_of_a_function_is_that_of_the_gateway() {
    let headers = [
        ("x-own", "1"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("content-length", "2"),
    ];
    let plugin = plugin::<AzureFunctions>(json!({"function_uri": "http://f.test"}));
    let answer = Platform::answering(201, &headers, "hi").answer(&plugin, post("/"));
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.body, Body::Text("hi".into()));
    let names: Vec<&str> = answer
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["x-own", "set-cookie", "set-cookie"]);
    let answer = Platform::gone().answer(&plugin, post("/"));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, Body::Text("".into()));
}

#[test]
fn bodies_are_read_within_their_limit() {
    let config = json!({"function_uri": "http://f.test", "max_req_body_size": 1});
    let plugin = plugin::<AzureFunctions>(config);
    let mut context = post("/").context(FakeHost::shared());
    let refused = answer(plugin.access(&mut context)).unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let mut context = request("/").context(FakeHost::shared());
    assert!(matches!(plugin.access(&mut context), Step::ReadBody));
}

#[test]
fn places_that_are_none_are_refused() {
    for uri in ["", "ftp://f.test", "http://", "http://a b"] {
        let text = refusal::<AzureFunctions>(json!({"function_uri": uri}));
        assert_eq!(
            text,
            format!("function_uri must be a URL with http or https, got {uri:?}")
        );
    }
}
