use serde_json::json;

use super::{ElasticsearchLogger, Index, bulk};
use crate::logging::tests::entries;
use crate::tests::refusal;

#[test]
fn the_bulk_api_gets_two_lines_for_each_entry() {
    let index = Index::parse("i-{%Y}").unwrap();
    let expected = "{\"create\":{\"_index\":\"i-2023\"}}\n{\"n\":0}\n{\"create\":{\"_index\":\"i-2023\"}}\n{\"n\":1}\n";
    assert_eq!(bulk(&index, &entries(2)), expected);
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<ElasticsearchLogger>(json!({"endpoint_addr": "http://a"}));
    let text = refusal::<ElasticsearchLogger>(
        json!({"endpoint_addr": "nowhere", "field": {"index": "i"}}),
    );
    assert!(text.starts_with("endpoint_addrs: expected a URL"), "{text}");
}
