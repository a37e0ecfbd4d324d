//! What functions can do; what they cannot is in `bounds`.

mod bounds;
mod patterns;

use http::Method;
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Consumer, Context, Phase};

use super::pattern::{self, Fault};
use super::{Functions, Verdict};

/// Runs the body of a function for a request.
fn run(context: &mut Context, body: &str) -> Verdict {
    let text = format!(
        "local core, cjson = require('apisix.core'), require('cjson.safe')\n\
         return function(conf, ctx) {body} end"
    );
    let functions = Functions::new("test", vec![text], json!({"a": [1, 2]}), true).unwrap();
    functions.run(Phase::Access, context, None)
}

fn posted() -> RequestBuilder {
    request("/a/b?x=1&y=a%20b&x=2&z")
        .method(Method::POST)
        .header("X-Own", "1")
        .header("X-Own", "2")
        .body("application/x-www-form-urlencoded", "p=1&q=%41")
}

/// What an expression is for a request: what `tostring` says, or JSON for a table.
fn value_in(context: &mut Context, expression: &str) -> String {
    let body = format!(
        "local v = (function() return {expression} end)()\n\
         if type(v) == 'table' then v = cjson.encode(v) end\n\
         return 200, tostring(v)"
    );
    match run(context, &body) {
        Verdict::Answer(response) => match response.body {
            Body::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            other => format!("{other:?}"),
        },
        Verdict::Continue => "nothing".into(),
        Verdict::Failed => "failed".into(),
    }
}

fn value(expression: &str) -> String {
    value_in(&mut posted().context(FakeHost::shared()), expression)
}

/// The error of an expression.
fn problem(expression: &str) -> String {
    value(&format!(
        "select(2, pcall(function() return {expression} end))"
    ))
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(value(expression), *expected, "{expression}");
    }
}

#[test]
fn the_request_is_seen() {
    check(&[
        ("ngx.req.get_method()", "POST"),
        (
            "ngx.var.uri .. ' ' .. ngx.var.remote_addr",
            "/a/b 192.0.2.1",
        ),
        ("ctx.var.arg_y", "a b"),
        ("ctx.var.no_such", "nil"),
        ("ngx.req.get_headers()['x-own']", r#"["1","2"]"#),
        (
            "ngx.req.get_headers()['Content_Type']",
            "application/x-www-form-urlencoded",
        ),
        ("core.request.header(ctx, 'X-Own')", "1"),
        (
            "core.request.headers(ctx)['Content-Type']",
            "application/x-www-form-urlencoded",
        ),
        (
            "ngx.req.get_uri_args()",
            r#"{"x":["1","2"],"y":"a b","z":true}"#,
        ),
        ("core.request.get_uri_args(ctx).y", "a b"),
        ("core.request.get_body(1024, ctx)", "p=1&q=%41"),
        (
            "select(2, core.request.get_body(3))",
            "request size 9 is greater than the maximum size 3 allowed",
        ),
        ("core.request.get_post_args(ctx)", r#"{"p":"1","q":"A"}"#),
        ("ngx.req.http_version()", "1.1"),
        (
            "core.request.get_host(ctx) .. core.request.get_path(ctx)",
            "example.com/a/b",
        ),
        ("ngx.get_phase()", "access"),
        ("conf.a", "[1,2]"),
        ("ctx.route_id", "nil"),
        ("ngx.time()", "1700000000"),
        ("ngx.http_time(0)", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("ngx.parse_http_time('Thu, 01 Jan 1970 00:00:10 GMT')", "10"),
    ]);
}

#[test]
fn the_consumer_is_seen_and_the_context_kept() {
    let mut context = posted().context(FakeHost::shared());
    context.attach_consumer(std::sync::Arc::new(Consumer {
        name: "jack".into(),
        ..Consumer::default()
    }));
    assert_eq!(
        value_in(&mut context, "ctx.consumer_name .. ctx.consumer.username"),
        "jackjack"
    );
    assert!(matches!(
        run(
            &mut context,
            "ngx.ctx = {a = 1}; ctx.b = 2; ctx.var.own = 3"
        ),
        Verdict::Continue
    ));
    assert_eq!(
        value_in(&mut context, "ngx.ctx.a + ctx.b + ctx.var.own"),
        "6"
    );
}

#[test]
fn the_request_is_changed() {
    let mut context = posted().context(FakeHost::shared());
    let body = "ngx.req.set_header('X-Own', {'a', 'b'}); ngx.req.clear_header('content-type')\n\
                core.request.set_header(ctx, 'x-new', 7); core.request.add_header('x-new', 'c')\n\
                ngx.req.set_method(ngx.HTTP_PUT); ngx.req.set_uri('/new path'); ngx.req.set_uri_args({b = 1, a = {'x y', true}})\n\
                ngx.req.set_body_data('other'); ngx.var.upstream_host = 'host.test'";
    assert!(matches!(run(&mut context, body), Verdict::Continue));
    assert_eq!(crate::tests::sent(&context, "x-own"), ["a", "b"]);
    assert_eq!(crate::tests::sent(&context, "x-new"), ["7", "c"]);
    assert!(context.header("content-type").is_none());
    assert_eq!(context.target.method, Some(Method::PUT));
    assert_eq!(
        context.target.uri.as_deref(),
        Some("/new%20path?a=x%20y&a&b=1")
    );
    assert_eq!(context.target.host.as_deref(), Some("host.test"));
    assert_eq!(context.request.body.replacement().unwrap(), "other");
}

#[test]
fn answers_are_made_in_the_ways_of_openresty_and_apisix() {
    for (body, status, text) in [
        (
            "ngx.say('a', 1, {'b', 'c'}); ngx.print(true)",
            200,
            "a1bc\ntrue",
        ),
        (
            "ngx.status = 403; ngx.say('no'); ngx.exit(403)",
            403,
            "no\n",
        ),
        (
            "core.response.exit(401, {message = 'no'})",
            401,
            "{\"message\":\"no\"}\n",
        ),
        ("core.response.exit(202, 'ok')", 202, "ok"),
        ("return 418, 'tea'", 418, "tea"),
        ("return nil, 'body'", 200, "body"),
        ("pcall(ngx.exit, 204)", 204, ""),
        (
            "pcall(function() ngx.exit(204) end); error('not reached')",
            204,
            "",
        ),
        (
            "xpcall(function() ngx.exit(204) end, function() return 1 end)",
            204,
            "",
        ),
    ] {
        let mut context = posted().context(FakeHost::shared());
        let Verdict::Answer(response) = run(&mut context, body) else {
            panic!("{body} gives no answer");
        };
        assert_eq!(response.status, status, "{body}");
        assert_eq!(response.body, Body::Text(text.to_owned().into()), "{body}");
    }
    let mut context = posted().context(FakeHost::shared());
    assert!(matches!(
        run(&mut context, "ngx.exit(ngx.OK)"),
        Verdict::Continue
    ));
    let Verdict::Answer(response) = run(&mut context, "ngx.redirect('/there')") else {
        panic!("no answer");
    };
    assert_eq!((response.status.as_u16(), response.body), (302, Body::Page));
}

#[test]
fn texts_are_encoded_and_digested() {
    check(&[
        ("ngx.encode_base64('a?b')", "YT9i"),
        ("ngx.decode_base64('YT9i')", "a?b"),
        ("ngx.decode_base64('?')", "nil"),
        ("ngx.escape_uri('a b/ü')", "a%20b%2F%C3%BC"),
        ("ngx.unescape_uri('a%20b+c')", "a b c"),
        ("ngx.encode_args({b = 'x y', a = true})", "a&b=x%20y"),
        ("ngx.md5('hello')", "5d41402abc4b2a76b9719d911017c592"),
        (
            "require('resty.string').to_hex(ngx.sha1_bin('hello'))",
            "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        ),
        (
            "ngx.encode_base64(ngx.hmac_sha1('k', 'm'))",
            "dytxyKKZfnaL4B2XEeSk80ok7zM=",
        ),
        ("ngx.crc32_long('hello')", "907060870"),
        ("bit.band(0xff, 0x0f) + bit.lshift(1, 4)", "31"),
        ("bit.tohex(255, 4)", "00ff"),
        ("bit.bnot(0)", "-1"),
    ]);
}

#[test]
fn json_is_that_of_cjson() {
    check(&[
        (
            "cjson.encode({b = 1, a = {1, 2.5, 'x'}, c = cjson.null})",
            r#"{"a":[1,2.5,"x"],"b":1,"c":null}"#,
        ),
        ("cjson.encode({})", "{}"),
        ("cjson.encode(cjson.empty_array)", "[]"),
        ("cjson.encode(cjson.decode('{\"a\":[]}'))", r#"{"a":[]}"#),
        ("cjson.decode('{\"a\":{\"b\":[1,2]}}').a.b[2]", "2"),
        ("cjson.decode('{\"a\":null}').a == ngx.null", "true"),
        (
            "select(2, cjson.decode('{'))",
            "EOF while parsing an object at line 1 column 1",
        ),
        (
            "select(2, cjson.encode({f = print}))",
            "Cannot serialise function: type not supported",
        ),
        ("pcall(require('cjson').decode, '{')", "false"),
        ("tostring(core.json.delay_encode({1}))", "[1]"),
    ]);
    assert_eq!(
        value("(function() local t = {}; t.t = t; return (select(2, core.json.encode(t))) end)()"),
        "Cannot serialise, excessive depth"
    );
}

#[test]
fn expressions_are_matched() {
    check(&[
        (
            "ngx.re.match('hello 42', '([0-9])([0-9])', 'jo')",
            r#"{"0":"42","1":"4","2":"2"}"#,
        ),
        ("ngx.re.match('ab', '(?<first>A)', 'i').first", "a"),
        ("ngx.re.find('hello', 'l+')", "3"),
        ("(ngx.re.gsub('a-b-c', '-', '+', 'jo'))", "a+b+c"),
        ("(ngx.re.sub('hello', '(l)(l)', '[$2${1}$$]'))", "he[ll$]o"),
        ("(ngx.re.gsub('abc', '', '-'))", "-a-b-c-"),
        (
            "(ngx.re.gsub('ab', '.', function(m) return m[0]:upper() end))",
            "AB",
        ),
        (
            "ngx.re.match('a', '(?=a)') or select(2, ngx.re.match('a', '(?=a)')):sub(1, 25)",
            "the expression is refused",
        ),
        (
            "require('ngx.re').split('a,b,,c', ',')",
            r#"["a","b","","c"]"#,
        ),
        (
            "(function() local n = 0; for m in ngx.re.gmatch('a1b2', '[0-9]') do n = n + m[0] end; return n end)()",
            "3",
        ),
    ]);
}

#[test]
fn patterns_are_those_of_lua() {
    check(&[
        ("('hello world'):match('^(%w+)%s+(%w+)$')", "hello"),
        (
            "select(2, ('hello world'):match('^(%w+)%s+(%w+)$'))",
            "world",
        ),
        (
            "('key = value'):gsub('(%w+) = (%w+)', '%2 = %1')",
            "value = key",
        ),
        ("(('abc'):gsub('%w', '%0%0'))", "aabbcc"),
        ("(('hello'):gsub('', '-'))", "-h-e-l-l-o-"),
        ("(('abc'):gsub('b', {b = 'x'}))", "axc"),
        (
            "(('abc'):gsub('.', function(c) if c == 'b' then return false end return c:upper() end))",
            "AbC",
        ),
        ("select(2, ('aaa'):gsub('a', 'b', 2))", "2"),
        ("('a.b'):find('.', 1, true)", "2"),
        ("('a)b'):find(')')", "2"),
        ("('a]b'):find('c')", "nil"),
        ("('[[x]]'):match('%[(%b[])%]')", "[x]"),
        ("('THE (quick) fox'):find('%((%a+)%)')", "5"),
        ("('f(a(b)c)d'):match('%b()')", "(a(b)c)"),
        ("('THE quick'):gsub('%f[%a]%a', string.lower)", "tHE quick"),
        ("('x^y'):match('[%^x]+')", "x^"),
        ("('a-b'):match('[a%-]+')", "a-"),
        ("('2024-01-02'):match('(%d+)-(%d+)-(%d+)')", "2024"),
        ("('aXb'):match('()X()')", "2"),
        ("('\"a\"'):match([[([\"'])(.-)%1]])", "\""),
        ("('  trim  '):match('^%s*(.-)%s*$') .. '|'", "trim|"),
        (
            "(function() local n = 0; for k, v in ('a=1,b=2'):gmatch('(%w)=(%d)') do n = n + v end; return n end)()",
            "3",
        ),
        ("core.string.has_prefix('abc', 'ab')", "true"),
        ("core.string.find('a.b', '.')", "2"),
    ]);
    for malformed in ["%", "[a", "a)", "%1"] {
        let found = pattern::find(b"aa", malformed.as_bytes(), 0, false, &mut 1000);
        assert!(
            matches!(found, Err(Fault::Malformed(_))),
            "{malformed}: {found:?}"
        );
    }
}
