use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt;
use weir_model::{PluginCatalog, PluginPart};
use weir_plugin_api::Living;
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Outside, Pending, SocketTarget, Unreachable};

use super::config::Metadata;
use super::sink::Sink;
use super::{NAME, Shipping, Tap};
use crate::Builtin;
use crate::logging::Sender;

/// Keeps what is sent.
#[derive(Default)]
struct Server {
    bytes: Mutex<Vec<Bytes>>,
    calls: Mutex<Vec<HttpCall>>,
}

impl Outside for Server {
    fn http(&self, call: HttpCall) -> Pending<HttpAnswer> {
        self.calls.lock().unwrap().push(call);
        Unreachable.http(HttpCall::new(http::Method::GET, http::Uri::default()))
    }

    fn send(&self, _target: &Arc<SocketTarget>, bytes: Bytes) -> Pending<()> {
        self.bytes.lock().unwrap().push(bytes);
        Box::pin(ready(Ok(())))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        task.now_or_never();
    }

    fn sleep(&self, _time: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn lines_of_the_log_are_shipped_while_there_is_metadata() {
    let server = Arc::new(Server::default());
    let outside = Arc::clone(&server) as Arc<dyn Outside>;
    let living = Living::default();
    let mut shipping = Shipping::default();
    let metadata = json!({"tcp": {"host": "a", "port": 1}, "batch_max_size": 1});
    let subscriber = tracing_subscriber::registry().with(Tap);
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!("before");
        shipping.follow(Some(&metadata), &outside, &living, "h");
        tracing::warn!(route = "r", count = 3, "it {}", "fails");
        tracing::info!("not so severe");
        tracing::error!(plugin = NAME, "of its own");
        tracing::error!(target: "hyper", "of a library");
        shipping.follow(None, &outside, &living, "h");
        tracing::error!("after");
    });
    let sent = server.bytes.lock().unwrap();
    let [line] = &sent[..] else {
        panic!("{sent:?}")
    };
    let line = std::str::from_utf8(line).unwrap();
    let expected = " [WARN] weir_plugins::error_log_logger::tests: it fails route=\"r\" count=3\n";
    assert!(line.ends_with(expected), "{line}");
}

fn posted(metadata: Value) -> HttpCall {
    let metadata: Metadata = serde_json::from_value(metadata).unwrap();
    let server = Arc::new(Server::default());
    let outside = Arc::clone(&server) as Arc<dyn Outside>;
    let sink = Sink::new(&metadata, "h").unwrap();
    drop(sink.send(&outside, &["a".into(), "b".into()]));
    server.calls.lock().unwrap().remove(0)
}

#[test]
fn servers_get_their_own_forms() {
    let call = posted(json!({"skywalking": {"service_instance_name": "$hostname"}}));
    assert_eq!(call.uri, "http://127.0.0.1:12900/v3/logs");
    let entries: Value = serde_json::from_slice(&call.body).unwrap();
    let entry = json!({"body": {"text": {"text": "b"}}, "service": "APISIX", "serviceInstance": "h", "endpoint": ""});
    assert_eq!(entries[1], entry);
    let call = posted(json!({"clickhouse": {"database": "d", "logtable": "t", "password": "p"}}));
    assert_eq!(call.headers["x-clickhouse-key"], "p");
    let expected = "INSERT INTO t FORMAT JSONEachRow\n{\"data\":\"a\"}\n{\"data\":\"b\"}";
    assert_eq!(call.body, expected);
}

#[test]
fn what_cannot_work_is_refused() {
    let check = |metadata: Value| Builtin.check(NAME, PluginPart::Metadata, &metadata);
    assert_eq!(check(json!({"tcp": {"host": "a", "port": 1}})), Ok(()));
    assert_eq!(check(json!({"host": "a", "port": 1})), Ok(()));
    let kafka = json!({"brokers": [{"host": "a", "port": 1}], "kafka_topic": "t"});
    assert_eq!(check(json!({"kafka": kafka})), Ok(()));
    let mut tls = kafka;
    tls["tls"] = json!({});
    assert!(
        check(json!({"kafka": tls}))
            .unwrap_err()
            .starts_with("kafka: tls: ")
    );
    assert!(check(json!({})).is_err());
    assert!(check(json!({"skywalking": {"endpoint_addr": "x"}})).is_err());
}
