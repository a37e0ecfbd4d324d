use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Context, Plugin};

use super::Degraphql;
use crate::tests::{answer, plugin, refusal, sent};

const QUERY: &str = "query($name: String!) { persons(name: $name) { id } }";

fn run(config: Value, request: RequestBuilder) -> (Option<u16>, Context) {
    let plugin = plugin::<Degraphql>(config);
    let mut context = request.context(FakeHost::shared());
    let answer = answer(plugin.access(&mut context));
    (answer.map(|answer| answer.status.as_u16()), context)
}

fn post(body: &str) -> RequestBuilder {
    request("/p")
        .method(Method::POST)
        .body("text/plain", body.to_owned())
}

#[test]
fn a_post_becomes_a_query_with_variables() {
    let config = json!({"query": QUERY, "variables": ["name", "other"], "operation_name": "x"});
    let (refused, context) = run(config, post("{\"name\": \"Niek\", \"evil\": 1}"));
    assert_eq!(refused, None);
    let sent_body: Value =
        serde_json::from_slice(context.request.body.replacement().unwrap()).unwrap();
    assert_eq!(
        sent_body,
        json!({"variables": {"name": "Niek"}, "operationName": "x", "query": QUERY})
    );
    assert_eq!(sent(&context, "content-type"), ["application/json"]);
}

#[test]
fn a_get_becomes_a_query_in_the_target() {
    let config = json!({"query": QUERY, "variables": ["name"]});
    let (refused, context) = run(config, request("/p?name=a%20b&evil=1"));
    assert_eq!(refused, None);
    let target = context.target.uri.unwrap();
    let (path, query) = target.split_once('?').unwrap();
    assert_eq!(path, "/p");
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(
        pairs,
        [
            ("variables".into(), "{\"name\":\"a b\"}".into()),
            ("query".to_owned(), QUERY.to_owned())
        ]
    );
    let plugin = plugin::<Degraphql>(json!({"query": "{ x }"}));
    let mut context = request("/p?name=a").context(FakeHost::shared());
    context.target.uri = Some("/graphql?name=a".into());
    assert_eq!(answer(plugin.access(&mut context)), None);
    assert_eq!(
        context.target.uri.as_deref(),
        Some("/graphql?query=%7B+x+%7D")
    );
}

#[test]
fn without_variables_the_body_does_not_matter() {
    let (refused, context) = run(json!({"query": "{ x }"}), post("anything"));
    assert_eq!(refused, None);
    assert_eq!(
        context.request.body.replacement().unwrap(),
        "{\"query\":\"{ x }\"}"
    );
}

#[test]
fn what_cannot_be_translated_is_refused() {
    let config = json!({"query": QUERY, "variables": ["name"], "max_req_body_size": 10});
    for (request, status) in [
        (request("/").method(Method::PUT), 405),
        (post(""), 400),
        (post("{"), 400),
        (post("\"text\""), 400),
        (post("{\"name\": \"long\"}"), 413),
    ] {
        assert_eq!(run(config.clone(), request).0, Some(status));
    }
}

#[test]
fn documents_are_checked() {
    let refused = refusal::<Degraphql>(json!({"query": "query {"}));
    assert!(refused.starts_with("failed to parse query: "), "{refused}");
    let two = json!({"query": "query a { x } query b { y }"});
    let refused = refusal::<Degraphql>(two);
    assert_eq!(
        refused,
        "operation_name is required if multiple operations are present in the query"
    );
    plugin::<Degraphql>(json!({"query": "query a { x } query b { y }", "operation_name": "a"}));
    assert_eq!(
        refusal::<Degraphql>(json!({})),
        "property \"query\" is required"
    );
}
