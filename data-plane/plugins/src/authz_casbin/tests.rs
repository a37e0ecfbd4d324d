mod refused;

use std::sync::Arc;

use http::Method;
use serde_json::json;
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Living, Plugin, PluginDef};

use super::enforcer::{Enforcer, Exhausted, Source};
use super::{AuthzCasbin, Compiled};
use crate::tests::{answer, compile, on_route, plugin};

const SOME_ALLOW: &str = "some(where (p.eft == allow))";

/// A model with these rules, roles, effect and matcher.
fn model(policy: &str, effect: &str, matcher: &str) -> String {
    format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = {policy}\n\
         [role_definition]\ng = _, _\ng2 = _, _, _\n[policy_effect]\ne = {effect}\n\
         [matchers]\nm = {matcher}"
    )
}

fn enforcer(model: String, policy: &str) -> Result<Enforcer, String> {
    let source = |name: &str, text: String| Source {
        name: name.to_owned(),
        text,
    };
    Enforcer::new(
        &source("model", model),
        &source("policy", policy.to_owned()),
    )
}

/// Whether the matcher holds for one rule of three values.
fn holds(matcher: &str, rule: [&str; 3], request: [&str; 3]) -> bool {
    let line = format!("p, {}", rule.join(", "));
    let enforcer = enforcer(model("sub, obj, act", SOME_ALLOW, matcher), &line).unwrap();
    let [user, path, method] = request;
    enforcer.allows(user, path, method).unwrap()
}

/// Status and body of what a request gets; `None` when it goes on.
fn run(plugin: &Compiled, user: Option<&str>, method: Method, target: &str) -> Option<(u16, Body)> {
    let mut asked = request(target).method(method);
    if let Some(user) = user {
        asked = asked.header("user", user);
    }
    let mut context = asked.context(FakeHost::shared());
    let response = answer(plugin.rewrite(&mut context))?;
    Some((response.status.as_u16(), response.body))
}

fn denied() -> Option<(u16, Body)> {
    Some((403, Body::Json(json!({"message": "Access Denied"}))))
}

fn rbac() -> (String, &'static str) {
    let matcher = "(g(r.sub, p.sub) || keyMatch(r.sub, p.sub)) && keyMatch(r.obj, p.obj) && \
                   keyMatch(r.act, p.act)";
    (
        model("sub, obj, act", SOME_ALLOW, matcher),
        "p, *, /, GET\n  p, admin, *, *\ng, alice, admin",
    )
}

fn on_metadata(model: &str, policy: &str, living: &Living) -> Result<Compiled, String> {
    let owner = Key::new(Kind::Route, "1");
    let metadata = json!({"model": model, "policy": policy});
    let config = serde_json::from_value(json!({"username": "user"})).unwrap();
    AuthzCasbin::compile(config, &on_route(&owner, "a", living, Some(metadata)))
}

#[test]
fn users_and_roles_of_the_metadata_are_let_in() {
    let (model, policy) = rbac();
    let plugin = on_metadata(&model, policy, &Living::default()).unwrap();
    let go = |user, method, target| run(&plugin, user, method, target);
    assert_eq!(go(None, Method::GET, "/"), None);
    assert_eq!(go(None, Method::GET, "/hello"), denied());
    assert_eq!(go(Some("bob"), Method::GET, "/hello"), denied());
    assert_eq!(go(Some("admin"), Method::POST, "/hello"), None);
    assert_eq!(go(Some("alice"), Method::DELETE, "/hello?x=1"), None);
}

#[test]
fn a_request_with_two_names_is_nobodys() {
    let (model, policy) = rbac();
    let plugin = on_metadata(&model, policy, &Living::default()).unwrap();
    let asked = request("/").header("user", "admin").header("User", "admin");
    let mut context = asked.context(FakeHost::shared());
    assert!(answer(plugin.rewrite(&mut context)).is_some());
}

#[test]
fn without_a_model_nobody_is_let_in() {
    let plugin = plugin::<AuthzCasbin>(json!({"username": "user"}));
    assert_eq!(
        run(&plugin, Some("admin"), Method::GET, "/"),
        Some((503, Body::Page))
    );
}

#[test]
fn routes_share_what_is_made_of_the_metadata() {
    let (model, policy) = rbac();
    let living = Living::default();
    let [one, two] = [(); 2].map(|()| on_metadata(&model, policy, &living).unwrap());
    assert!(Arc::ptr_eq(
        one.enforcer.as_ref().unwrap(),
        two.enforcer.as_ref().unwrap()
    ));
    let other = on_metadata(&model, "p, jack, *, *", &living).unwrap();
    assert_eq!(run(&other, Some("jack"), Method::GET, "/a"), None);
    assert_eq!(run(&one, Some("jack"), Method::GET, "/a"), denied());
}

#[test]
fn files_are_read_where_the_plugin_runs() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (model, policy) = (place("model.conf"), place("policy.csv"));
    let config = json!({"username": "user", "model_path": model, "policy_path": policy});
    assert!(compile::<AuthzCasbin>(config.clone()).is_ok());
    let owner = Key::new(Kind::Route, "1");
    let living = Living::default();
    let compile = || {
        let config = serde_json::from_value(config.clone()).unwrap();
        AuthzCasbin::compile(config, &on_route(&owner, "a", &living, None))
    };
    let missing = compile().err().unwrap();
    assert!(missing.starts_with(&format!("model_path: {model}: No such file")));
    std::fs::write(&model, rbac().0).unwrap();
    std::fs::create_dir(&policy).unwrap();
    assert_eq!(
        compile().err(),
        Some(format!("policy_path: {policy}: not a file"))
    );
    std::fs::remove_dir(&policy).unwrap();
    std::fs::write(&policy, "p, jack\n").unwrap();
    assert_eq!(
        compile().err(),
        Some(format!(
            "policy_path: {policy}: line 1: expected 3 values behind p, got 1"
        ))
    );
    std::fs::write(&policy, "p, jack, /a, GET\n").unwrap();
    assert_eq!(
        run(&compile().unwrap(), Some("jack"), Method::GET, "/a"),
        None
    );
    std::fs::write(&policy, "#".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(
        compile().err(),
        Some(format!("policy_path: {policy}: more than 1048576 bytes"))
    );
}

#[test]
fn paths_are_compared_by_the_functions_of_casbin() {
    for (function, text, pattern, expected) in [
        ("keyMatch", "/foo", "/foo", true),
        ("keyMatch", "/foo", "/foo*", true),
        ("keyMatch", "/foo", "/foo/*", false),
        ("keyMatch", "/foo/bar", "/foo/*", true),
        ("keyMatch", "/foobar", "/foo", false),
        ("keyMatch2", "/foo/bar", "/foo/*", true),
        ("keyMatch2", "/foo/bar", "/foo*", false),
        ("keyMatch2", "/any", "*", true),
        ("keyMatch2", "/", "/:resource", false),
        ("keyMatch2", "/resource1", "/:resource", true),
        ("keyMatch2", "/myid/using/other", "/:id/using/:resId", true),
        ("keyMatch2", "/proxy/", "/proxy/:id/*", false),
        ("keyMatch2", "/alice/all", "/:/all", false),
        (
            "keyMatch3",
            "/myid/using/other",
            "/{id}/using/{resId}",
            true,
        ),
        (
            "keyMatch3",
            "/myid/using/other",
            "/{id/using/{resId}",
            false,
        ),
        ("keyMatch4", "/a/1/b/1", "/a/{id}/b/{id}", true),
        ("keyMatch4", "/a/1/b/2", "/a/{id}/b/{id}", false),
        ("keyMatch4", "/a/1/b/2", "/a/{id}/b/{other}", true),
        ("keyMatch4", "/a-b/1", "/a-b/{id}", true),
        ("keyMatch5", "/a/1?x=2", "/a/{id}", true),
        ("keyMatch5", "/a/b/c?x", "/a/*", true),
        ("keyMatch5", "/b", "/a/*", false),
        ("regexMatch", "/topic/edit/123", "/topic/edit/[0-9]+", true),
        ("regexMatch", "/topic/edit/x", "/topic/edit/[0-9]+", false),
        ("globMatch", "/foo/bar", "/foo/*", true),
        ("globMatch", "/foo/bar", "/foo*", false),
        ("globMatch", "/prefix/foo", "*/foo", false),
        ("globMatch", "/a1", "/a[!x-z]", true),
        ("globMatch", "/ay", "/a[!x-z]", false),
        ("IPMatch", "192.168.2.123", "192.168.2.0/24", true),
        ("IPMatch", "192.168.3.1", "192.168.2.0/24", false),
        ("IPMatch", "nobody", "192.168.2.0/24", false),
    ] {
        let matcher = format!("{function}(r.obj, p.obj)");
        let found = holds(&matcher, ["-", pattern, "-"], ["-", text, "-"]);
        assert_eq!(found, expected, "{function} {text} {pattern}");
    }
    let get2 = "keyGet2(r.obj, p.obj, 'id') == r.sub";
    assert!(holds(get2, ["", "/u/:id/x", ""], ["7", "/u/7/x", ""]));
    assert!(!holds(get2, ["", "/u/:id/x", ""], ["8", "/u/7/x", ""]));
    let get = "keyGet(r.obj, p.obj) == r.sub";
    assert!(holds(get, ["", "/u/*", ""], ["7", "/u/7", ""]));
}

#[test]
fn matchers_are_read_with_their_precedence() {
    let rule = ["alice", "/a", "GET"];
    let request = ["alice", "/b", "GET"];
    for (matcher, expected) in [
        ("r.sub == p.sub && r.act == p.act", true),
        ("r_sub == p_sub && r_obj == p_obj", false),
        (
            "r.obj == p.obj || r.sub == \"alice\" && r.act != 'PUT'",
            true,
        ),
        ("!(r.obj == p.obj) and not (r.act ~= p.act)", true),
        ("r.act in ('PUT', 'GET') && r.obj == p.obj", false),
        ("r.act in ['PUT', p.act]", true),
        ("keyMatch(r.obj, '/b*') == true", true),
        ("1", true),
        ("false || 0", false),
    ] {
        assert_eq!(holds(matcher, rule, request), expected, "{matcher}");
    }
    let own = "eval(p.obj)";
    assert!(holds(own, ["", "r.sub == 'alice'", ""], request));
    assert!(!holds(own, ["", "r.sub == 'bob'", ""], request));
    let number = "p.sub == 7";
    assert!(holds(number, ["7.0", "", ""], request));
}

#[test]
fn effects_say_what_rules_come_to() {
    let policy = "p, *, allow\np, jack, deny\np, joe, maybe\np, other, allow";
    for (effect, expected) in [
        (SOME_ALLOW, [true, true, true]),
        ("!some(where (p.eft == deny))", [false, true, true]),
        (
            "some(where (p_eft==allow)) && !some(where (p_eft==deny))",
            [false, true, true],
        ),
        ("priority(p.eft) || deny", [true, true, true]),
    ] {
        let model = model("sub, eft", effect, "keyMatch(r.sub, p.sub)");
        let enforcer = enforcer(model, policy).unwrap();
        let found = ["jack", "joe", "any"].map(|user| enforcer.allows(user, "/", "GET").unwrap());
        assert_eq!(found, expected, "{effect}");
    }
    let first = model(
        "priority, sub, eft",
        "priority(p.eft) || deny",
        "r.sub == p.sub",
    );
    let policy = "p, 20, jack, allow\np, 10, jack, deny\np, 10, joe, maybe\np, 20, joe, allow";
    let enforcer = enforcer(first, policy).unwrap();
    let found = ["jack", "joe", "any"].map(|user| enforcer.allows(user, "/", "GET").unwrap());
    assert_eq!(found, [false, true, false]);
}

#[test]
fn without_rules_the_matcher_decides() {
    for (matcher, expected) in [
        (
            "r.sub == 'root' || regexMatch(r.obj, p.obj) && IPMatch(r.sub, p.sub)",
            true,
        ),
        ("r.sub == p.sub", false),
    ] {
        let model = model("sub, obj", SOME_ALLOW, matcher);
        let found = enforcer(model, "# nothing\n").unwrap();
        assert_eq!(found.allows("root", "/", "GET"), Ok(expected), "{matcher}");
    }
}

#[test]
fn roles_have_domains_and_end_after_eleven_steps() {
    let model = model("sub, obj", SOME_ALLOW, "g2(r.sub, p.sub, r.obj)");
    let policy = "p, admin, /\ng2, alice, staff, /a\ng2, staff, admin, /a\ng2, bob, admin, /b";
    let enforcer = enforcer(model, policy).unwrap();
    let allows = |user, path| enforcer.allows(user, path, "GET").unwrap();
    assert!(allows("alice", "/a"));
    assert!(!allows("alice", "/b"));
    assert!(allows("bob", "/b"));
    assert!(allows("admin", "/c"));

    let steps: String = (0..20).map(|n| format!("g, n{n}, n{}\n", n + 1)).collect();
    for (target, expected) in [("n11", true), ("n12", false)] {
        let model = self::model("sub", SOME_ALLOW, "g(r.sub, p.sub)");
        let enforcer = self::enforcer(model, &format!("p, {target}\n{steps}")).unwrap();
        assert_eq!(enforcer.allows("n0", "/", "GET"), Ok(expected));
    }
}

#[test]
fn values_in_quotes_have_commas() {
    let model = model(
        "sub, act",
        SOME_ALLOW,
        "r.sub == p.sub && regexMatch(r.act, p.act)",
    );
    let enforcer = enforcer(model, "p, \"a, \"\"b\"\"\", \"^(GET|PUT)$\"").unwrap();
    assert_eq!(enforcer.allows("a, \"b\"", "/", "PUT"), Ok(true));
}

#[test]
fn models_have_comments_and_lines_that_go_on() {
    let text = "# a model\n[request_definition]\nr = sub, obj, act # of a request\n\
                [policy_definition]\np=sub\n; more\n[policy_effect]\n\
                e = some(where (p.eft == allow))\n[matchers]\nm = r.sub == p.sub && \\\\\n  r.act == 'GET'\n";
    let enforcer = enforcer(text.to_owned(), "p2, x\np, jack").unwrap();
    assert_eq!(enforcer.allows("jack", "/", "GET"), Ok(true));
    assert_eq!(enforcer.allows("jack", "/", "PUT"), Ok(false));
}

#[test]
fn a_decision_that_takes_too_long_is_a_no() {
    let model = model("sub, obj", SOME_ALLOW, "regexMatch(r.obj, p.obj)");
    let policy: String = (0..900).map(|n| format!("p, a, x{n}$\n")).collect();
    let enforcer = enforcer(model.clone(), &policy).unwrap();
    let long = "/".repeat(2000);
    assert_eq!(enforcer.allows("a", &long, "GET"), Err(Exhausted));
    let plugin =
        plugin::<AuthzCasbin>(json!({"username": "user", "model": model, "policy": policy}));
    assert_eq!(run(&plugin, Some("a"), Method::GET, &long), denied());
}
