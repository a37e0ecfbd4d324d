use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::outside::CallError;
use weir_plugin_api::testkit::{RequestBuilder, request};
use weir_plugin_api::{Body, Context, Plugin, Response, Step};

use super::ForwardAuth;
use crate::fake_service::{FakeService, nobody, says};
use crate::tests::{answer, at_once, plugin, refusal, sent};

/// What a request comes to with a service that answers so, and what it was asked.
fn run(
    extra: Value,
    request: RequestBuilder,
    answers: impl Fn() -> Result<weir_plugin_api::outside::HttpAnswer, CallError>
    + Send
    + Sync
    + 'static,
) -> (
    Option<Response>,
    Context,
    weir_plugin_api::outside::HttpCall,
) {
    let (service, host) = FakeService::start(move |_| answers());
    let mut config = json!({"uri": "http://auth.test/check?a=b"});
    let fields = config.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    let plugin = plugin::<ForwardAuth>(config);
    let mut context = request.context(host);
    let response = answer(at_once(plugin.access(&mut context)));
    let call = service.asked().remove(0);
    (response, context, call)
}

#[test]
fn the_service_is_told_of_the_request() {
    let request = request("/orders/7?x=1")
        .method(Method::PUT)
        .header("authorization", "Bearer t")
        .header("x-forwarded-uri", "/forged")
        .header("content-length", "5")
        .header("transfer-encoding", "chunked");
    let config = json!({"request_headers": ["Authorization", "X-Forwarded-Uri", "Content-Length", "Transfer-Encoding", "X-None"],
        "extra_headers": {"X-Method": "$request_method", "X-Fixed": "1"}, "timeout": 70, "ssl_verify": false, "keepalive": false});
    let (response, _, call) = run(config, request, || Ok(says(200, &[], "")));
    assert!(response.is_none());
    assert_eq!(call.method, Method::GET);
    assert_eq!(call.uri.to_string(), "http://auth.test/check?a=b");
    assert_eq!(
        (call.timeout.as_millis(), call.verify, call.keepalive),
        (70, false, false)
    );
    assert!(call.body.is_empty());
    let told = |name: &str| call.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(told("x-forwarded-proto"), Some("http"));
    assert_eq!(told("x-forwarded-method"), Some("PUT"));
    assert_eq!(told("x-forwarded-host"), Some("example.com"));
    assert_eq!(told("x-forwarded-uri"), Some("/orders/7?x=1"));
    assert_eq!(told("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(told("authorization"), Some("Bearer t"));
    assert_eq!(told("x-method"), Some("PUT"));
    assert_eq!(told("x-fixed"), Some("1"));
    assert_eq!(
        (told("content-length"), told("transfer-encoding")),
        (None, None)
    );
}

#[test]
fn a_post_carries_the_body_within_its_limit() {
    let config = json!({"request_method": "POST", "max_req_body_size": 5});
    let post = |body: &'static str| request("/").method(Method::POST).body("text/plain", body);
    let (response, _, call) = run(config.clone(), post("hello"), || Ok(says(204, &[], "")));
    assert!(response.is_none());
    assert_eq!((call.method, &call.body[..]), (Method::POST, &b"hello"[..]));
    assert_eq!(call.headers["content-type"], "text/plain");
    let mut all = json!({"uri": "http://auth.test"});
    all.as_object_mut()
        .unwrap()
        .extend(config.as_object().unwrap().clone());
    let plugin = plugin::<ForwardAuth>(all);
    let (_, host) = FakeService::start(|_| Err(nobody()));
    let mut context = request("/").context(std::sync::Arc::clone(&host));
    assert!(matches!(plugin.access(&mut context), Step::ReadBody));
    let mut context = post("longer").context(host);
    let refused = answer(plugin.access(&mut context)).unwrap();
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn what_the_client_claims_in_the_name_of_the_service_is_taken_out() {
    let config = json!({"upstream_headers": ["X-User-ID", "X-Groups"]});
    let forged = || {
        request("/")
            .header("x-user-id", "root")
            .header("x-groups", "admin")
            .header("x-groups", "all")
    };
    let (_, context, _) = run(config.clone(), forged(), || {
        Ok(says(200, &[("x-user-id", "7"), ("x-other", "1")], ""))
    });
    assert_eq!(sent(&context, "x-user-id"), ["7"]);
    assert!(sent(&context, "x-groups").is_empty());
    assert!(sent(&context, "x-other").is_empty());
    let mut degraded = config;
    degraded["allow_degradation"] = true.into();
    let (response, context, _) = run(degraded, forged(), || Err(nobody()));
    assert!(response.is_none());
    assert!(sent(&context, "x-user-id").is_empty());
}

#[test]
fn a_refusal_goes_to_the_client_with_the_headers_that_are_named() {
    let config = json!({"client_headers": ["Location", "X-Why"]});
    let (response, _, _) = run(config, request("/"), || {
        Ok(says(
            302,
            &[
                ("location", "/login"),
                ("x-why", "a"),
                ("x-why", "b"),
                ("x-inner", "1"),
            ],
            "go",
        ))
    });
    let response = response.unwrap();
    assert_eq!(response.status, StatusCode::FOUND);
    assert_eq!(response.body, Body::Text("go".into()));
    let names: Vec<_> = response
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["location", "x-why", "x-why"]);
}

#[test]
fn a_service_without_a_usable_answer_is_an_error_unless_requests_may_pass() {
    let status = |extra: Value, answers: fn() -> Result<_, CallError>| {
        let (response, _, _) = run(extra, request("/"), answers);
        response.map(|response| response.status.as_u16())
    };
    assert_eq!(status(json!({}), || Err(nobody())), Some(403));
    assert_eq!(
        status(json!({"status_on_error": 503}), || Err(nobody())),
        Some(503)
    );
    let degraded = json!({"allow_degradation": true});
    assert_eq!(status(degraded.clone(), || Err(nobody())), None);
    // It did answer: perhaps it refused.
    let too_large = || {
        Err(CallError::TooLarge {
            address: "a".into(),
            limit: 1,
        })
    };
    assert_eq!(status(degraded.clone(), too_large), Some(403));
    assert_eq!(status(degraded, || Ok(says(999, &[], ""))), Some(403));
}

#[test]
fn wrong_configurations_are_refused() {
    let told = |config: Value| refusal::<ForwardAuth>(config);
    told(json!({}));
    assert!(told(json!({"uri": "auth"})).starts_with("uri: expected a URL"));
    assert_eq!(
        told(json!({"uri": "http://a", "upstream_headers": ["transfer-encoding"]})),
        "upstream_headers[0]: transfer-encoding is set by the gateway itself"
    );
    assert_eq!(
        told(json!({"uri": "http://a", "extra_headers": {"Content-Length": "1"}})),
        "extra_headers: content-length is set by the gateway itself"
    );
    told(json!({"uri": "http://a", "request_headers": ["a b"]}));
}
