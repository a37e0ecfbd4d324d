use serde_json::{Value, json};
use weir_model::{PluginCatalog, PluginPart};

use super::super::AuthzCasbin;
use super::{SOME_ALLOW, model, rbac};
use crate::Builtin;
use crate::tests::refusal;

#[test]
fn what_cannot_work_is_refused() {
    let refuses = |model: &str, policy: &str| {
        refusal::<AuthzCasbin>(json!({"username": "user", "model": model, "policy": policy}))
    };
    for (matcher, policy, expected) in [
        (
            "r.sub",
            "",
            "model: [matchers] m: expected a condition, got a text",
        ),
        (
            "r.sub > 1",
            "",
            "model: [matchers] m: '>' is not supported; there are &&, ||, !, ==, !=, in and functions",
        ),
        (
            "r.dom == p.sub",
            "",
            "model: [matchers] m: [request_definition] has no dom",
        ),
        (
            "r.sub == p.dom",
            "",
            "model: [matchers] m: [policy_definition] has no dom",
        ),
        (
            "r.sub == p.sub &&",
            "",
            "model: [matchers] m: expected a value, got the end",
        ),
        (
            "(r.sub == p.sub",
            "",
            "model: [matchers] m: expected ), got the end",
        ),
        (
            "r.sub == 'a",
            "",
            "model: [matchers] m: no end of the text 'a",
        ),
        (
            "f(r.sub)",
            "",
            "model: [matchers] m: there is no function f with 1 arguments",
        ),
        (
            "regexMatch(p.sub, r.sub)",
            "",
            "model: [matchers] m: regexMatch: the pattern must not come from the request",
        ),
        (
            "r.sub == p.sub",
            "p, a\np",
            "policy: line 2: expected 1 values behind p, got 0",
        ),
        (
            "r.sub == p.sub",
            "g, a",
            "policy: line 1: expected 2 values behind g, got 1",
        ),
        (
            "IPMatch(r.sub, p.sub)",
            "p, a",
            "policy: line 1: IPMatch: invalid ip address: a",
        ),
        (
            "eval(p.sub)",
            "p, eval(p.sub)",
            "policy: line 1: eval inside of eval",
        ),
    ] {
        let model = model("sub", SOME_ALLOW, matcher);
        assert_eq!(refuses(&model, policy), expected, "{matcher}");
    }
    let deep = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    let text = refuses(&model("sub", SOME_ALLOW, &deep), "");
    assert!(text.ends_with("nested deeper than 32 levels"), "{text}");
    let text = refuses(&model("sub", "all", "true"), "");
    assert!(
        text.starts_with("model: [policy_effect] e: expected one of"),
        "{text}"
    );
    let many: String = (0..2000).map(|n| format!("p, x{n}\n")).collect();
    let text = refuses(&model("sub", SOME_ALLOW, "regexMatch(r.sub, p.sub)"), &many);
    assert_eq!(text, "policy: line 1001: more than 1000 different patterns");
    let many = "p, a\n".repeat(70_000);
    let text = refuses(&model("sub", SOME_ALLOW, "r.sub == p.sub"), &many);
    assert_eq!(
        text,
        "policy: line 66667: more than 200000 conditions in all rules"
    );
    for (model, expected) in [
        ("", "model: [request_definition] with r = ... is missing"),
        (
            "sub",
            "model: line 1: expected NAME = VALUE or [SECTION], got \"sub\"",
        ),
        (
            "[request_definition]\nr = sub, act\n[policy_effect]\ne = x\n[matchers]\nm = x",
            "model: [request_definition] r: expected three names, of user, path and method, got 2",
        ),
    ] {
        assert_eq!(refuses(model, ""), expected);
    }
    assert_eq!(
        refusal::<AuthzCasbin>(json!({"username": "a b"})),
        "username must be a header name, got \"a b\""
    );
    let neither = "value should match only one schema, but matches none";
    for config in [
        json!({}),
        json!({"model_path": "/a", "policy_path": "/b"}),
        json!({"username": "a", "model": "m"}),
    ] {
        assert_eq!(refusal::<AuthzCasbin>(config), neither);
    }
}

#[test]
fn metadata_is_checked_when_it_is_written() {
    let check = |metadata: Value| Builtin.check("authz-casbin", PluginPart::Metadata, &metadata);
    let (model, policy) = rbac();
    assert_eq!(check(json!({"model": model, "policy": policy})), Ok(()));
    assert_eq!(
        check(json!({"model": "x = 1", "policy": ""})),
        Err("model: [request_definition] with r = ... is missing".into())
    );
}
