//! Paging and filters of objects.md section 2.2.

use http::Method;
use serde_json::Value;

use super::Node;

async fn filled() -> Node {
    let node = Node::start().await;
    node.put("/services/1", "{}").await;
    for number in (1..=25).rev() {
        let labels = if number % 2 == 0 {
            ",\"labels\":{\"even\":\"yes\"}"
        } else {
            ""
        };
        let name = if number > 20 {
            format!(",\"name\":\"big-{number}\"")
        } else {
            String::new()
        };
        let target = if number <= 3 {
            "\"service_id\":\"1\"".to_owned()
        } else {
            "\"upstream\":{\"nodes\":{}}".to_owned()
        };
        let uri = format!("\"uris\":[\"/n/{number}\",\"/m\"]");
        node.put(
            &format!("/routes/{number}"),
            &format!("{{{uri},{target}{labels}{name}}}"),
        )
        .await;
    }
    node
}

fn ids(list: &Value) -> Vec<u64> {
    let list = list["list"].as_array().unwrap();
    list.iter()
        .map(|item| item["value"]["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn pages_are_cut_from_the_list_in_order_of_creation() {
    let node = filled().await;
    let all = node.get("/routes").await.json();
    assert_eq!(ids(&all), (1..=25).rev().collect::<Vec<_>>());
    let cases: [(&str, Vec<u64>); 7] = [
        ("page=1&page_size=10", (16..=25).rev().collect()),
        ("page=3&page_size=10", (1..=5).rev().collect()),
        ("page=0&page_size=10", (16..=25).rev().collect()),
        ("page=-7&page_size=10", (16..=25).rev().collect()),
        ("page=4&page_size=10", vec![]),
        ("page=99999999999999999999&page_size=500", vec![]),
        ("page=2", (1..=25).rev().collect()),
    ];
    for (query, expected) in cases {
        let list = node.get(&format!("/routes?{query}")).await.json();
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["total"], 25, "{query}");
    }
    for size in ["9", "501", "-1", "0", "1e9"] {
        let reply = node.get(&format!("/routes?page=1&page_size={size}")).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.text, "page_size must be between 10 and 500");
    }
}

#[tokio::test]
async fn filters_are_combined_with_and() {
    let node = filled().await;
    let cases: [(&str, Vec<u64>); 9] = [
        ("name=big", vec![25, 24, 23, 22, 21]),
        ("name=big&label=even", vec![24, 22]),
        ("label=odd", vec![]),
        ("uri=%5E%2Fn%2F1%5B0-2%5D%24", vec![12, 11, 10]),
        ("filter=service_id%3D1", vec![3, 2, 1]),
        ("filter=service_id%3D1%26upstream_id%3D2", vec![]),
        ("filter=colour%3Dred", (1..=25).rev().collect()),
        ("label=even&filter=service_id%3D1", vec![2]),
        ("name=big&page=1&page_size=10", vec![25, 24, 23, 22, 21]),
    ];
    for (query, expected) in cases {
        let list = node.get(&format!("/routes?{query}")).await.json();
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["total"], expected.len(), "{query}");
    }
    let reply = node.get("/routes?name=%28").await;
    assert_eq!((reply.status.as_u16(), ids(&reply.json())), (200, vec![]));
    assert_eq!(
        reply.header("weir-warning"),
        "name: not a regular expression, matches nothing"
    );
    // Not for other kinds.
    let services = node
        .send(Method::GET, "/services?filter=service_id%3D9", "")
        .await
        .json();
    assert_eq!(services["total"], 1);
}
