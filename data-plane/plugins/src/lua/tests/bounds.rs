//! What functions cannot do, and what ends them.

use serde_json::json;
use weir_plugin_api::testkit::FakeHost;
use weir_plugin_api::{Body, Phase};

use super::super::pattern::{self, Fault};
use super::super::{Functions, Verdict};
use super::{posted, problem, run, value};

#[test]
fn a_pattern_that_takes_for_ever_is_ended() {
    let text = [b'a'; 40];
    let found = pattern::find(&text, b"a*a*a*a*a*a*a*a*a*b", 0, false, &mut 100_000);
    assert_eq!(found, Err(Fault::TooManySteps));
    let text = "('a'):rep(200):find(('a*'):rep(30) .. 'b')";
    assert_eq!(value(text), "failed");
}

#[test]
fn the_members_of_a_set_are_paid_for() {
    let text = [b'a'; 1000];
    for begin in [&b"["[..], b"%f["] {
        let pattern = [begin, &[b'b'; 10_000], b"]"].concat();
        let mut left = 10_000_000;
        assert_eq!(
            pattern::find(&text, &pattern, 0, false, &mut left),
            Ok(None)
        );
        assert!(left < 9_500_000, "{left} are left");
    }
}

#[test]
fn loops_and_bombs_are_ended() {
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local function f() return f() end; f()",
        "local t = {}; while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
        "local s = 'x'; while true do s = s .. s end",
        "return ('x'):rep(1e10)",
        "return 200, ('x'):rep(1e9)",
        "local t = {}; for i = 1, 1e9 do t[i] = i end",
        "for i = 1, 1e9 do ngx.print('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') end",
        "local function f() return f() + 1 end; f()",
        "local t = setmetatable({}, {__index = function(t, k) return t[k] end}); return t.x",
        "local t = {}; for i = 1, 1e5 do t[i] = -i end; while true do table.sort(t) end",
    ] {
        let mut context = posted().context(FakeHost::shared());
        assert!(matches!(run(&mut context, body), Verdict::Failed), "{body}");
        assert_eq!(context.request.path, "/a/b", "the request is given back");
    }
    // The next one is not the worse for it.
    assert_eq!(value("1 + 1"), "2");
}

#[test]
fn nothing_of_the_machine_is_reached() {
    for (expression, named) in [
        ("io.open('/etc/passwd')", "io.open is not available here"),
        ("os.execute('true')", "os.execute is not available here"),
        ("os.getenv('HOME')", "os.getenv is not available here"),
        (
            "debug.getregistry()",
            "debug.getregistry is not available here",
        ),
        (
            "coroutine.create(print)",
            "coroutine.create is not available here",
        ),
        ("package.path", "package.path is not available here"),
        ("loadstring('return 1')", "loadstring is not available here"),
        ("load(print)", "load is not available here"),
        ("setfenv(1, {})", "setfenv is not available here"),
        ("getfenv(0)", "getfenv is not available here"),
        ("collectgarbage()", "collectgarbage is not available here"),
        ("string.dump(print)", "string.dump is not available here"),
        ("ngx.socket.tcp()", "ngx.socket is not available here"),
        (
            "ngx.location.capture('/')",
            "ngx.location is not available here",
        ),
        ("ngx.sleep(1)", "ngx.sleep is not available here"),
        ("core.etcd", "core.etcd is not available here"),
        (
            "require('resty.http')",
            "module 'resty.http' is not available here; these are: apisix.core, ",
        ),
        ("ngx.arg[1]", "API disabled in the context of access"),
        (
            "ngx.req.set_uri('/a', true)",
            "ngx.req.set_uri cannot search for another route here",
        ),
    ] {
        let text = problem(expression);
        assert!(text.contains(named), "{expression}: {text}");
    }
}

#[test]
fn what_functions_share_cannot_be_changed() {
    for expression in [
        "rawset(ngx, 'say', 1)",
        "(function() ngx.say = 1 end)()",
        "(function() string.find = 1 end)()",
        "(function() core.log.error = 1 end)()",
        "setmetatable(ngx, {})",
        "(function() getmetatable('').__index = 1 end)()",
    ] {
        let text = value(&format!("pcall(function() return {expression} end)"));
        assert_eq!(text, "false", "{expression}");
    }
    assert!(matches!(
        run(
            &mut posted().context(FakeHost::shared()),
            "own = 1; _G.other = 2"
        ),
        Verdict::Continue
    ));
    assert_eq!(value("tostring(own) .. tostring(other)"), "nilnil");
}

#[test]
fn values_outside_a_function_are_kept() {
    let text = "local count = 0\nreturn function() count = count + 1; return 200, count end";
    let functions = Functions::new("test", vec![text.into()], json!({}), true).unwrap();
    for expected in ["1", "2", "3"] {
        let mut context = posted().context(FakeHost::shared());
        let Verdict::Answer(response) = functions.run(Phase::Access, &mut context, None) else {
            panic!("no answer");
        };
        assert_eq!(response.body, Body::Text(expected.into()));
    }
}

#[test]
fn errors_of_what_is_offered_are_texts() {
    let call = "pcall(ngx.req.set_uri, 'no path')";
    assert_eq!(value(&format!("type(select(2, {call}))")), "string");
    let text = value(&format!("'failed: ' .. select(2, {call})"));
    assert!(
        text.contains("a path begins with '/', got \"no path\""),
        "{text}"
    );
    assert!(!text.contains("traceback"), "{text}");
    let handled =
        "select(2, xpcall(function() ngx.req.set_uri('x') end, function(e) return 'h:' .. e end))";
    assert!(value(handled).starts_with("h:"), "{}", value(handled));
}
