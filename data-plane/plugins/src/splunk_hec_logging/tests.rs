use serde_json::{Value, json};

use super::{SplunkHecLogging, events};
use crate::logging::tests::entries;
use crate::tests::refusal;

#[test]
fn events_stand_one_after_the_other() {
    let events = events(&[], &entries(2));
    let mut stream = serde_json::Deserializer::from_str(&events).into_iter::<Value>();
    let first = stream.next().unwrap().unwrap();
    assert_eq!(first["event"], json!({"n": 0}));
    assert_eq!(first["time"], json!(1_700_000_000.0));
    assert_eq!(stream.next().unwrap().unwrap()["event"], json!({"n": 1}));
    assert!(stream.next().is_none());
}

#[test]
fn the_default_entry_becomes_a_flat_event() {
    let mut batch = entries(1);
    batch[0].is_chosen = false;
    batch[0].fields = json!({
        "request": {"url": "http://a/b", "method": "GET", "headers": {"x": "1"}, "querystring": {}, "size": 7},
        "response": {"status": 200, "headers": {}, "size": 9},
        "latency": 3.5, "upstream": "10.0.0.1:80", "route_id": "1", "region": "eu",
    });
    batch[0].tag.insert("host".into(), json!("gate"));
    let event: Value = serde_json::from_str(&events(&["region".into()], &batch)).unwrap();
    assert_eq!(event["host"], "gate");
    let expected = json!({
        "request_url": "http://a/b", "request_method": "GET", "request_headers": {"x": "1"}, "request_query": {},
        "request_size": 7, "response_headers": {}, "response_status": 200, "response_size": 9,
        "latency": 3.5, "upstream": "10.0.0.1:80", "region": "eu",
    });
    assert_eq!(event["event"], expected);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<SplunkHecLogging>(json!({"endpoint": {"uri": "http://a"}}));
}
