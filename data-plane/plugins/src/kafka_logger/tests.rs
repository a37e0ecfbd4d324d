use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::outside::{KafkaCluster, KafkaRecord, Outside, Pending};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{CompileContext, Plugin};

use super::KafkaLogger;
use super::producer::{cluster, message};
use crate::tests::{compile_in, plugin, refusal};

/// Keeps what is sent to Kafka.
#[derive(Default)]
struct Broker(Mutex<Vec<(Arc<KafkaCluster>, KafkaRecord)>>);

impl Outside for Broker {
    fn kafka(&self, cluster: &Arc<KafkaCluster>, record: KafkaRecord) -> Pending<()> {
        self.0.lock().unwrap().push((Arc::clone(cluster), record));
        Box::pin(ready(Ok(())))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        task.now_or_never();
    }

    fn sleep(&self, _time: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// What is sent for so many requests.
fn sent(mut config: Value, requests: usize) -> Vec<KafkaRecord> {
    config["kafka_topic"] = json!("t");
    config["brokers"] = json!([{"host": "a", "port": 9092}]);
    let broker = Arc::new(Broker::default());
    let context = CompileContext {
        outside: Arc::clone(&broker) as Arc<dyn Outside>,
        ..CompileContext::dry()
    };
    let logger = compile_in::<KafkaLogger>(config, &context).unwrap();
    for _ in 0..requests {
        let request = request("/a?b=c")
            .method(Method::POST)
            .header("x-a", "1")
            .body("text/plain", "hello");
        let mut context = request.context(FakeHost::shared());
        let _ = logger.access(&mut context);
        logger.log(&mut context);
    }
    let records = broker.0.lock().unwrap();
    records.iter().map(|(_, record)| record.clone()).collect()
}

#[test]
fn a_batch_is_one_message() {
    assert_eq!(message(&["{}".into()], true), "{}");
    assert_eq!(message(&["{}".into()], false), "[{}]");
    let config = json!({"batch_max_size": 2, "key": "k", "log_format": {"m": "$request_method"}});
    let records = sent(config, 4);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].value, r#"[{"m":"POST"},{"m":"POST"}]"#);
    assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(records[0].topic, "t");
}

#[test]
fn an_original_request_is_http() {
    let origin = json!({"meta_format": "origin", "batch_max_size": 1});
    let head = "POST /a?b=c HTTP/1.1\r\nx-a: 1\r\ncontent-type: text/plain\r\n\r\n";
    assert_eq!(sent(origin, 1)[0].value, head);
    let with_body = json!({"meta_format": "origin", "batch_max_size": 2, "include_req_body": true});
    let value = sent(with_body, 2).remove(0).value;
    let texts: Vec<String> = serde_json::from_slice(&value).unwrap();
    assert_eq!(texts, [format!("{head}hello"), format!("{head}hello")]);
}

#[test]
fn a_batch_leaves_when_it_is_as_large_as_the_producer_takes() {
    let format = json!({"m": "$request_method"});
    let config = json!({"producer_batch_size": 20, "log_format": format});
    assert_eq!(sent(config, 4).len(), 2);
    let sync = json!({"producer_type": "sync", "producer_batch_size": 20, "log_format": format});
    assert!(sent(sync, 4).is_empty());
}

#[test]
fn brokers_have_two_forms_and_one_login() {
    let of = |mut config: Value| {
        config["kafka_topic"] = json!("t");
        cluster(&serde_json::from_value(config).unwrap())
    };
    let old = of(json!({"broker_list": {"a": 1, "b": 2}})).unwrap();
    assert_eq!(old.brokers, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let login = json!({"user": "u", "password": "secret", "mechanism": "SCRAM-SHA-256"});
    let new = of(json!({"brokers": [{"host": "a", "port": 1, "sasl_config": login}]})).unwrap();
    assert_eq!(new.login.as_ref().unwrap().password, "secret");
    assert!(!format!("{new:?}").contains("secret"));
    let mixed = json!({"brokers": [{"host": "a", "port": 1, "sasl_config": login}, {"host": "b", "port": 1}]});
    assert!(of(mixed).unwrap_err().contains("the same sasl_config"));
    let tls = of(json!({"broker_list": {"a": 1}, "tls": {"verify": true}}));
    assert!(tls.unwrap_err().starts_with("tls: "));
}

#[test]
fn wrong_configurations_are_refused() {
    plugin::<KafkaLogger>(json!({"broker_list": {"a": 1}, "kafka_topic": "t"}));
    for config in [
        json!({"kafka_topic": "t"}),
        json!({"broker_list": {}, "kafka_topic": "t"}),
        json!({"broker_list": {"a": 0}, "kafka_topic": "t"}),
        json!({"broker_list": {"a": 1}}),
        json!({"broker_list": {"a": 1}, "kafka_topic": "t", "required_acks": 0}),
        json!({"broker_list": {"a": 1}, "kafka_topic": "t", "meta_format": "x"}),
    ] {
        refusal::<KafkaLogger>(config);
    }
}
