use serde_json::json;

use super::UdpLogger;
use crate::tests::refusal;

#[test]
fn wrong_configurations_are_refused() {
    refusal::<UdpLogger>(json!({"port": 1}));
    refusal::<UdpLogger>(json!({"host": "a", "port": -1}));
}
