use serde_json::json;

use super::push;
use crate::logging::tests::entries;

#[test]
fn a_push_has_a_stream_for_each_set_of_labels() {
    let mut batch = entries(3);
    batch[1].tag.insert("host".into(), json!("b"));
    let expected = json!({"streams": [
        {"stream": {}, "values": [["1700000000000000000", "{\"n\":0}"], ["1700000000000000000", "{\"n\":2}"]]},
        {"stream": {"host": "b"}, "values": [["1700000000000000000", "{\"n\":1}"]]},
    ]});
    assert_eq!(push(&batch), expected);
}
