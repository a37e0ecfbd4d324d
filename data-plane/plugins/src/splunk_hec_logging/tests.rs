use serde_json::{Value, json};

use super::{SplunkHecLogging, events};
use crate::logging::tests::entries;
use crate::tests::refusal;

#[test]
fn events_stand_one_after_the_other() {
    let events = events(&entries(2));
    let mut stream = serde_json::Deserializer::from_str(&events).into_iter::<Value>();
    let first = stream.next().unwrap().unwrap();
    assert_eq!(first["event"], json!({"n": 0}));
    assert_eq!(first["time"], json!(1_700_000_000.0));
    assert_eq!(stream.next().unwrap().unwrap()["event"], json!({"n": 1}));
    assert!(stream.next().is_none());
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<SplunkHecLogging>(json!({"endpoint": {"uri": "http://a"}}));
}
