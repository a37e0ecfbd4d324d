use serde_json::json;

use super::{ClickhouseLogger, insert};
use crate::logging::tests::entries;
use crate::tests::refusal;

#[test]
fn rows_follow_the_statement() {
    let expected = "INSERT INTO t FORMAT JSONEachRow\n{\"n\":0}\n{\"n\":1}\n";
    assert_eq!(insert("t", &entries(2)), expected);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<ClickhouseLogger>(json!({"user": "u"}));
}
