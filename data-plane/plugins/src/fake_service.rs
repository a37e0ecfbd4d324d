//! A service beyond nodes for the tests of plugins: answers by a function, and keeps what it was asked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use weir_plugin_api::outside::{CallError, HttpAnswer, HttpCall, Outside, Pending};
use weir_plugin_api::testkit::FakeHost;

type Answer = dyn Fn(&HttpCall) -> Result<HttpAnswer, CallError> + Send + Sync;

/// The service.
pub(crate) struct FakeService {
    answer: Box<Answer>,
    asked: Mutex<Vec<HttpCall>>,
}

impl FakeService {
    /// A service that answers so, and a host that reaches it.
    pub(crate) fn start(
        answer: impl Fn(&HttpCall) -> Result<HttpAnswer, CallError> + Send + Sync + 'static,
    ) -> (Arc<Self>, Arc<FakeHost>) {
        let service = Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
        });
        let host = FakeHost::shared();
        host.set_outside(Arc::clone(&service) as Arc<dyn Outside>);
        (service, host)
    }

    /// What it was asked since the last time that this was called.
    pub(crate) fn asked(&self) -> Vec<HttpCall> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// An answer.
pub(crate) fn says(status: u16, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    HttpAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: map,
        body: Bytes::from(body.to_owned()),
        trailers: HeaderMap::new(),
    }
}

/// A call that found nobody.
pub(crate) fn nobody() -> CallError {
    CallError::Connect {
        address: "service.test:80".into(),
        cause: "refused".into(),
    }
}

impl Outside for FakeService {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        let answer = (self.answer)(&call);
        self.asked.lock().unwrap().push(call);
        Box::pin(ready(answer))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        assert!(task.now_or_never().is_some());
    }
}
