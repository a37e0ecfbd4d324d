use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema::tests::arbitrary_json;

struct Request(HashMap<&'static str, Var<'static>>);

impl Variables for Request {
    fn get(&self, variable: &Variable) -> Option<Var<'_>> {
        self.0.get(variable.name()).cloned()
    }
}

fn request() -> Request {
    let text = |text: &'static str| Var::Text(text.into());
    Request(HashMap::from([
        ("arg_a", text("1")),
        ("arg_n", text("10")),
        ("http_x", text("V2-beta")),
        ("remote_addr", text("10.1.2.3")),
        ("uri", text("/api/users")),
        ("graphql_root_fields", Var::Json(json!(["owner", "repo"]))),
        ("post_arg.count", Var::Json(json!(5))),
        ("post_arg.stream", Var::Json(json!(true))),
        ("post_arg.nothing", Var::Json(json!(null))),
        ("post_arg.tags", Var::Json(json!(["a", 1, null, true]))),
    ]))
}

fn holds(expr: Value) -> bool {
    Expr::parse(&expr).unwrap().eval(&request())
}

#[test]
fn operators_compare_as_apisix_does() {
    for (rule, expected) in [
        (json!(["arg_a", "==", "1"]), true),
        (json!(["arg_a", "==", 1]), true),
        (json!(["arg_n", "==", 10.0]), true),
        (json!(["http_x", "==", 1]), false),
        (json!(["arg_a", "==", true]), false),
        (json!(["arg_none", "==", null]), true),
        (json!(["arg_a", "==", null]), false),
        (json!(["arg_none", "==", ""]), false),
        (json!(["arg_a", "~=", "2"]), true),
        (json!(["http_x", "~=", 1]), true),
        (json!(["arg_none", "~=", null]), false),
        (json!(["arg_n", ">", 9]), true),
        (json!(["arg_n", ">", "9"]), true),
        (json!(["arg_n", ">=", 10]), true),
        (json!(["arg_n", "<", 10]), false),
        (json!(["arg_n", "<=", 10]), true),
        (json!(["http_x", ">", 1]), false),
        (json!(["arg_none", ">", 1]), false),
        (json!(["uri", "~~", "^/api/[a-z]+$"]), true),
        (json!(["uri", "~~", "^/API"]), false),
        (json!(["http_x", "~*", "^v[23]"]), true),
        (json!(["arg_none", "~~", ".*"]), false),
        (json!(["arg_a", "in", ["0", "1"]]), true),
        (json!(["arg_a", "IN", [1]]), false),
        (json!(["arg_a", "in", "1"]), false),
        (json!(["graphql_root_fields", "has", "repo"]), true),
        (json!(["graphql_root_fields", "has", "nope"]), false),
        (json!(["arg_a", "has", "1"]), false),
        (json!(["post_arg.count", "==", 5]), true),
        (json!(["post_arg.count", "==", "5"]), false),
        (json!(["post_arg.count", ">", 4]), true),
        (json!(["post_arg.count", "~~", "^5$"]), true),
        (json!(["post_arg.count", "in", [4, 5.0]]), true),
        (json!(["post_arg.count", "in", ["5"]]), false),
        (json!(["post_arg.stream", "==", true]), true),
        (json!(["post_arg.stream", "==", false]), false),
        (json!(["post_arg.stream", "~=", "true"]), true),
        (json!(["post_arg.stream", "in", [true]]), true),
        (json!(["post_arg.stream", ">", 0]), false),
        (json!(["post_arg.nothing", "==", null]), false),
        (json!(["post_arg.nothing", "==", "null"]), false),
        (json!(["post_arg.tags", "has", "a"]), true),
        (json!(["post_arg.tags", "has", 1.0]), true),
        (json!(["post_arg.tags", "has", true]), true),
        (json!(["post_arg.tags", "has", "1"]), false),
        (json!(["post_arg.tags", "has", null]), false),
        (json!(["post_arg.tags", "==", "a"]), false),
        (json!(["post_arg.tags", "~~", "a"]), false),
        (json!(["remote_addr", "ipmatch", ["10.0.0.0/8"]]), true),
        (
            json!(["remote_addr", "ipmatch", ["10.1.2.4", "::1"]]),
            false,
        ),
        (json!(["uri", "ipmatch", ["0.0.0.0/0"]]), false),
        (json!(["arg_a", "!", "==", "1"]), false),
        (json!(["arg_a", "!", "in", ["2"]]), true),
        (json!(["arg_a", "1"]), true),
        (json!(["http_x", "V2-beta"]), false),
    ] {
        assert_eq!(holds(json!([rule])), expected, "{rule}");
    }
}

#[test]
fn conditions_combine() {
    let yes = json!(["arg_a", "==", "1"]);
    let no = json!(["arg_a", "==", "2"]);
    assert!(holds(json!([])));
    assert!(holds(json!([yes, yes])));
    assert!(!holds(json!([yes, no])));
    assert!(holds(json!(["OR", no, yes])));
    assert!(holds(json!(["or", no, yes])));
    assert!(!holds(json!(["!OR", no, yes])));
    assert!(holds(json!(["!AND", no, yes])));
    assert!(holds(json!(["AND", yes, ["OR", no, ["!AND", yes, no]]])));
    assert!(holds(json!([[yes, yes], ["OR", no, yes]])));
}

#[test]
fn refusals_have_the_texts_of_the_library() {
    for (rule, text) in [
        (
            json!(["arg_a", "==", "1"]),
            "rule should be wrapped inside brackets",
        ),
        (json!([[]]), "rule too short"),
        (json!(["OR", ["arg_a", "==", "1"]]), "rule too short"),
        (json!([["arg_a"]]), "invalid expression"),
        (json!([["arg_a", "?", "==", "1"]]), "bad 'not' expression"),
        (json!([["arg_a", "=", "1"]]), "invalid operator '='"),
        (
            json!([["remote_addr", "ipmatch", ["10.0.0.300"]]]),
            "invalid ip address: 10.0.0.300",
        ),
        (
            json!([["hots", "==", "a.test"]]),
            "unknown variable 'hots'; did you mean 'host'?",
        ),
        // The operator is looked at first, as in the library.
        (json!([["hots", "=", "a.test"]]), "invalid operator '='"),
    ] {
        assert_eq!(Expr::parse(&rule).unwrap_err().message, text, "{rule}");
    }
}

#[test]
fn refusals_say_where() {
    let good = json!(["arg_a", "==", "1"]);
    for (rule, path) in [
        (json!(["arg_a", "==", "1"]), ""),
        (json!([good, ["arg_a"]]), "[1]"),
        (json!(["OR", good, ["arg_a"]]), "[2]"),
        (
            json!([good, ["AND", good, ["OR", ["nope", "==", 1], good]]]),
            "[1][2][1]",
        ),
    ] {
        assert_eq!(Expr::parse(&rule).unwrap_err().path, path, "{rule}");
    }
}

#[test]
fn the_condition_to_blame_is_found() {
    let yes = json!(["arg_a", "==", "1"]);
    let no = json!(["uri", "==", "2"]);
    for (rule, blamed) in [
        (json!([yes]), None),
        (json!([yes, no]), Some((vec![1], Some("uri")))),
        (
            json!(["AND", yes, [yes, no]]),
            Some((vec![2, 1], Some("uri"))),
        ),
        (json!([yes, ["OR", no, no]]), Some((vec![1], None))),
        (json!([["!AND", yes, yes]]), Some((vec![0], None))),
        (json!(["!OR", yes, no]), Some((vec![], None))),
    ] {
        let expr = Expr::parse(&rule).unwrap();
        let failure = expr.failure(&request());
        let found = failure.map(|failure| (failure.path, failure.variable.map(Variable::name)));
        assert_eq!(found, blamed, "{rule}");
    }
}

#[test]
fn a_regex_that_does_not_compile_is_refused_when_written() {
    let error = Expr::parse(&json!([["uri", "~~", "("]])).unwrap_err();
    assert!(error.message.starts_with("invalid regex"), "{error}");
    assert_eq!(error.path, "[0]");
}

#[test]
fn deep_nesting_is_refused() {
    let mut rule = json!(["arg_a", "==", "1"]);
    for _ in 0..40 {
        rule = json!([rule]);
    }
    assert!(
        Expr::parse(&rule)
            .unwrap_err()
            .message
            .contains("nested deeper")
    );
}

#[test]
fn the_variables_that_are_read_are_known() {
    let expr = json!(["OR", ["arg_a", "==", "1"], [["uri", "==", "1"]]]);
    let expr = Expr::parse(&expr).unwrap();
    let names: Vec<_> = expr.variables().into_iter().map(Variable::name).collect();
    assert_eq!(names, ["arg_a", "uri"]);
}

proptest! {
    #[test]
    fn any_json_is_compiled_or_refused(value in arbitrary_json()) {
        if let Ok(expr) = Expr::parse(&value) {
            let _ = expr.eval(&request());
        }
    }

    #[test]
    fn negation_is_exact(value in "[a-z0-9.]{0,8}", op in prop::sample::select(vec!["==", "~=", ">", "<", ">=", "<="])) {
        let plain = Expr::parse(&json!([["arg_n", op, value]])).unwrap();
        let negated = Expr::parse(&json!([["arg_n", "!", op, value]])).unwrap();
        prop_assert_ne!(plain.eval(&request()), negated.eval(&request()));
    }
}
