use weir_model::field::variable::{Var, Variable, Variables};

use super::*;
use crate::testkit::{FakeHost, RequestBuilder, request};
use crate::vars::HeadVariables;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=\"b x\"";

fn value(request: RequestBuilder, name: &str) -> Option<Value> {
    read(&request.head(), name)
}

fn read(head: &RequestHead, name: &str) -> Option<Value> {
    let host = FakeHost::shared();
    let variables = HeadVariables {
        head,
        params: &[],
        host: &*host,
    };
    Some(match variables.get(&Variable::known(name).unwrap())? {
        Var::Text(text) => Value::from(text),
        Var::Json(value) => value,
    })
}

fn post(content_type: &str, body: impl Into<Bytes>) -> RequestBuilder {
    request("/").method(Method::POST).body(content_type, body)
}

#[test]
fn fields_of_a_form_have_names() {
    let form = "model=open%20ai&a=1&a=2&b+c=x&flag&n[0]=y";
    for (name, expected) in [
        ("post_arg_model", Some("open ai")),
        ("post_arg_a", Some("1")),
        ("post_arg_b c", Some("x")),
        ("post_arg_flag", Some("")),
        ("post_arg_none", None),
        ("post_arg.model", Some("open ai")),
        ("post_arg.model.deeper", None),
        ("post_arg.none", None),
    ] {
        let found = value(post(FORM, form), name);
        assert_eq!(found, expected.map(Value::from), "{name}");
    }
    let several = value(post(FORM, form), "post_arg.a");
    assert_eq!(several, Some(serde_json::json!(["1", "2"])));
    let typed = format!("{FORM}; charset=utf-8");
    assert!(value(post(&typed, form), "post_arg_a").is_some());
    assert_eq!(value(post(JSON, form), "post_arg_a"), None);
}

#[test]
fn a_path_leads_into_json() {
    let body = r#"{"model": "m", "n": 5, "messages": [{"c": [{"t": "a"}]}, {"c": [{"t": "b"}]}]}"#;
    let at = |name: &str| value(post(JSON, body), name);
    assert_eq!(at("post_arg.model"), Some("m".into()));
    assert_eq!(at("post_arg.n"), Some(5.into()));
    assert_eq!(
        at("post_arg.messages[*].c[*].t"),
        Some(serde_json::json!(["a", "b"]))
    );
    assert_eq!(value(post("text/plain", body), "post_arg.model"), None);
    assert_eq!(value(post(JSON, "{"), "post_arg.model"), None);
    assert_eq!(value(post(JSON, ""), "post_arg.model"), None);
}

#[test]
fn parts_of_a_multipart_body_are_fields() {
    let body = "preamble\r\n--b x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai\
                \r\n--b x \r\ncontent-type: text/plain\r\nContent-disposition: form-data; \
                filename=\"a;\\\"name=x\"; name=file\r\n\r\nline\r\n--bx\r\n\
                \r\n--b x\r\n\r\nno name\r\n--b x--\r\nepilogue";
    let at = |name: &str| value(post(MULTIPART, body), name);
    assert_eq!(at("post_arg.model"), Some("openai".into()));
    assert_eq!(at("post_arg.file"), Some("line\r\n--bx\r\n".into()));
    assert_eq!(at("post_arg.none"), None);
    for broken in [
        "",
        "--b x",
        "--b x\r\n",
        "x--b x\r\n\r\n\r\n--b x--",
        "--b x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopen",
    ] {
        assert_eq!(
            value(post(MULTIPART, broken), "post_arg.model"),
            None,
            "{broken}"
        );
    }
    let unbounded = post("multipart/form-data", body);
    assert_eq!(value(unbounded, "post_arg.model"), None);
}

#[test]
fn the_first_operation_of_a_graphql_query_counts() {
    let query = "query getRepo($n: Int = 1) { owner { name } alias: repo(first: $n) { id } ...F }
                 fragment F on Query { x }";
    let get = |name: &str| value(post("application/graphql", query), name);
    assert_eq!(get("graphql_operation"), Some("query".into()));
    assert_eq!(get("graphql_name"), Some("getRepo".into()));
    let fields = serde_json::json!(["owner", "repo", "F"]);
    assert_eq!(get("graphql_root_fields"), Some(fields));

    let json = serde_json::json!({"query": "mutation { add(x: 1) { id } }"}).to_string();
    let get = |name: &str| value(post(JSON, json.clone()), name);
    assert_eq!(get("graphql_operation"), Some("mutation".into()));
    assert_eq!(get("graphql_name"), Some("".into()));

    let by_query = request("/graphql?query=%7Bme%7D");
    assert_eq!(value(by_query, "graphql_operation"), Some("query".into()));
    for broken in ["", "{", "fragment F on Q { x }", "no query"] {
        let broken = post("application/graphql", broken);
        assert_eq!(value(broken, "graphql_operation"), None);
    }
    let put = request("/")
        .method(Method::PUT)
        .body("application/graphql", query);
    assert_eq!(value(put, "graphql_operation"), None);
}

#[test]
fn deep_graphql_and_json_are_not_looked_at() {
    let deep = "{a".repeat(100_000);
    assert_eq!(value(post("text/plain", deep), "graphql_operation"), None);
    let deep = "{\"a\":".repeat(100_000);
    assert_eq!(value(post(JSON, deep), "post_arg.a"), None);
}

#[test]
fn a_body_that_was_not_read_is_asked_for() {
    let limits = BodyLimits {
        body: 100,
        graphql: 10,
    };
    let mut head = request("/")
        .method(Method::POST)
        .header("content-type", JSON)
        .head();
    head.body = RequestBody::new(limits);
    assert_eq!(head.body.wanted(), None);
    assert_eq!(read(&head, "graphql_name"), None);
    assert_eq!(head.body.wanted(), Some(10));
    // Larger than GraphQL queries may be, but nobody knows whether too large for others.
    head.body.set_larger_than(10, Bytes::new());
    assert_eq!(head.body.wanted(), None);
    assert_eq!(read(&head, "graphql_name"), None);
    assert_eq!(head.body.wanted(), None);
    assert_eq!(read(&head, "post_arg.a"), None);
    assert_eq!(head.body.wanted(), Some(100));
    head.body
        .set(Bytes::from_static(b"{\"a\": \"1234567890\"}"));
    assert_eq!(head.body.wanted(), None);
    assert_eq!(read(&head, "post_arg.a"), Some("1234567890".into()));
    assert_eq!(read(&head, "graphql_name"), None);
    head.body.set_larger_than(100, Bytes::new());
    assert_eq!(read(&head, "post_arg.a"), None);
    assert_eq!(head.body.wanted(), None);
}

#[test]
fn a_body_that_cannot_be_what_is_asked_for_is_not_read() {
    let mut head = request("/").header("content-type", "image/png").head();
    head.body = RequestBody::new(BodyLimits::default());
    for name in ["post_arg_a", "post_arg.a", "graphql_name"] {
        assert_eq!(read(&head, name), None);
        assert_eq!(head.body.wanted(), None, "{name}");
    }
}

#[test]
fn the_whole_body_is_asked_for_and_may_be_replaced() {
    let mut body = RequestBody::default();
    assert_eq!(body.whole(5), WholeBody::Unread);
    assert_eq!(body.wanted(), Some(5));
    body.set_larger_than(5, Bytes::from_static(b"hello"));
    assert_eq!(body.whole(5), WholeBody::TooLarge);
    assert_eq!(body.wanted(), None);
    assert_eq!(body.front(4), Some(&b"hell"[..]));
    assert_eq!(body.front(6), None);
    assert!(body.wants_front());
    body.set(Bytes::from_static(b"hello"));
    assert_eq!(
        body.whole(5),
        WholeBody::Read(&Bytes::from_static(b"hello"))
    );
    assert_eq!(body.whole(4), WholeBody::TooLarge);
    assert_eq!(body.replacement(), None);
    body.replace(Bytes::from_static(b"other"));
    assert_eq!(body.replacement(), Some(&Bytes::from_static(b"other")));
    assert_eq!(
        body.whole(5),
        WholeBody::Read(&Bytes::from_static(b"other"))
    );
}
