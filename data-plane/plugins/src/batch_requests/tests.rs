use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http::{Method, Request, Response, StatusCode, Version};
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::outside::Unreachable;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Context, Gateway, NoInnerAnswer, Step};

use super::serve;
use crate::tests::{answer, at_once};

/// A gateway that keeps what it is asked.
#[derive(Default)]
struct Kept(RefCell<Vec<Request<Bytes>>>);

impl Gateway for Kept {
    fn ask(
        self: Rc<Self>,
        _outer: &Context,
        request: Request<Bytes>,
        max_answer: usize,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NoInnerAnswer>> {
        let path = request.uri().path().to_owned();
        self.0.borrow_mut().push(request);
        if path == "/hangs" {
            return pending().boxed_local();
        }
        let body = if path == "/large" {
            "x".repeat(max_answer)
        } else {
            path.clone()
        };
        let answer = Response::builder()
            .status(if path == "/none" { 404 } else { 200 })
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(Bytes::from(body));
        let broken = path == "/broken" || (max_answer == 0 && path == "/after");
        async move {
            if broken {
                Err(NoInnerAnswer::BrokenOff)
            } else {
                Ok(answer.unwrap())
            }
        }
        .boxed_local()
    }
}

fn context(body: &str, gateway: Option<Rc<Kept>>) -> Context {
    let host = FakeHost::shared();
    // Time is over at once there.
    host.set_outside(Arc::new(Unreachable));
    host.add_document(
        Key::new(Kind::PluginMetadata, "batch-requests"),
        json!({"max_body_size": 2000, "max_pipeline_items": 3}),
    );
    let mut context = request("/apisix/batch-requests")
        .method(Method::POST)
        .header("X-Outer", "1")
        .header("X-Both", "outer")
        .body("application/json", body.to_owned())
        .context(host);
    context.gateway = gateway.map(|gateway| gateway as Rc<dyn Gateway>);
    context
}

fn asked(batch: &Value) -> (Value, Vec<Request<Bytes>>) {
    let gateway = Rc::new(Kept::default());
    let mut context = context(&batch.to_string(), Some(Rc::clone(&gateway)));
    let response = answer(at_once(serve(&mut context))).unwrap();
    assert_eq!(response.status, StatusCode::OK);
    let Body::Json(answers) = response.body else {
        panic!("no JSON");
    };
    drop(context);
    (answers, gateway.0.take())
}

fn refused(body: &str) -> (StatusCode, String) {
    let mut context = context(body, Some(Rc::default()));
    let response = answer(serve(&mut context)).unwrap();
    let Body::Json(body) = response.body else {
        panic!("no JSON");
    };
    (
        response.status,
        body["error_msg"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn requests_are_made_of_batch_item_and_outer_request() {
    let (answers, requests) = asked(&json!({
        "query": {"a": 1, "b": "x y"},
        "headers": {"X-Both": "batch", "X-Batch": "1"},
        "pipeline": [
            {"path": "/one?c=3", "query": {"a": 2}, "headers": {"X-Batch": "own", "Content-Length": "9", "Connection": "close"}},
            {"path": "/none", "method": "PUT", "version": 1.0, "body": "hi"},
        ],
    }));
    let [one, none] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(one.uri(), "/one?c=3&a=2&b=x%20y");
    assert_eq!(
        (one.method(), one.version()),
        (&Method::GET, Version::HTTP_11)
    );
    let field = |request: &Request<Bytes>, name: &str| {
        let values = request.headers().get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(field(one, "x-outer"), ["1"]);
    assert_eq!(field(one, "x-both"), ["batch"]);
    assert_eq!(field(one, "x-batch"), ["own"]);
    assert_eq!(field(one, "host"), ["example.com"]);
    for gone in ["content-length", "content-type", "connection"] {
        assert!(field(one, gone).is_empty(), "{gone}");
    }
    assert_eq!(
        (none.method(), none.version()),
        (&Method::PUT, Version::HTTP_10)
    );
    assert_eq!(none.body(), "hi");
    assert_eq!(
        answers,
        json!([
            {"status": 200, "reason": "OK", "headers": {"set-cookie": ["a=1", "b=2"]}, "body": "/one"},
            {"status": 404, "reason": "Not Found", "headers": {"set-cookie": ["a=1", "b=2"]}, "body": "/none"},
        ])
    );
}

#[test]
fn after_one_that_is_late_none_is_waited_for() {
    let (answers, requests) = asked(&json!({
        "pipeline": [{"path": "/a"}, {"path": "/hangs"}, {"path": "/b"}],
    }));
    let late = json!({"status": 504, "reason": "upstream timeout"});
    assert_eq!((&answers[1], &answers[2]), (&late, &late));
    assert_eq!(answers[0]["status"], 200);
    assert_eq!(requests.len(), 2);
}

#[test]
fn answers_that_break_off_or_are_too_large_are_told() {
    let (answers, _) = asked(&json!({
        "pipeline": [{"path": "/broken"}, {"path": "/large"}, {"path": "/after"}],
    }));
    let broken = json!({"status": 502, "reason": "the answer was broken off"});
    assert_eq!((&answers[0], &answers[2]), (&broken, &broken));
    assert_eq!(answers[1]["status"], 200);
}

#[test]
fn batches_that_are_none_are_refused() {
    let bad = StatusCode::BAD_REQUEST;
    let none = "no request body, you should give at least one pipeline setting";
    assert_eq!(refused(""), (bad, none.to_owned()));
    for (body, begins) in [
        ("{", "invalid request body: {, err: "),
        ("{}", "bad request body: "),
        (r#"{"pipeline":[]}"#, "bad request body: "),
        (
            r#"{"pipeline":[{"path":"/","method":"X"}]}"#,
            "bad request body: ",
        ),
        (
            r#"{"pipeline":[{"path":"a"}]}"#,
            "request failed: path must begin with '/'",
        ),
        (
            r#"{"pipeline":[{"path":"//a b"}]}"#,
            "request failed: path must begin with '/'",
        ),
        (
            r#"{"pipeline":[{"path":"/","headers":{"a b":"1"}}]}"#,
            "request failed: no name of a header",
        ),
        (
            r#"{"pipeline":[{"path":"/","headers":{"a":"1\n2"}}]}"#,
            "request failed: header a: no value",
        ),
    ] {
        let (status, text) = refused(body);
        assert_eq!(status, bad, "{body}");
        assert!(text.starts_with(begins), "{body}: {text}");
    }
    let four = json!({"pipeline": [{"path": "/"}, {"path": "/"}, {"path": "/"}, {"path": "/"}]});
    let text = "too many pipeline requests, 4 exceeds the maximum of 3";
    assert_eq!(refused(&four.to_string()), (bad, text.to_owned()));
    let (status, text) = refused(&"x".repeat(2001));
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        text,
        "request size is greater than the maximum size 2000 allowed"
    );
}

#[test]
fn a_batch_has_none_inside_and_its_body_is_read_first() {
    let mut inner = context(r#"{"pipeline":[{"path":"/"}]}"#, None);
    let response = answer(serve(&mut inner)).unwrap();
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    let mut unread = request("/").context(FakeHost::shared());
    assert!(matches!(serve(&mut unread), Step::ReadBody));
}
