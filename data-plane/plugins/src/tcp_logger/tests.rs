use serde_json::json;

use super::TcpLogger;
use crate::tests::refusal;

#[test]
fn wrong_configurations_are_refused() {
    refusal::<TcpLogger>(json!({"host": "a"}));
}
