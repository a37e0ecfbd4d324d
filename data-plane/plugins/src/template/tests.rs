use bytes::Bytes;
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};

use super::*;

fn render(template: &str, data: serde_json::Value) -> Result<String, String> {
    render_in(template, data, None, None)
}

fn render_in(
    template: &str,
    data: serde_json::Value,
    body: Option<&'static str>,
    multipart: Option<Multipart>,
) -> Result<String, String> {
    let context = request("/a?name=john")
        .header("user-agent", "curl/8")
        .context(FakeHost::shared());
    let scope = Scope {
        data: Value::from(data),
        body: body.map(Bytes::from),
        variables: &context,
        multipart,
    };
    let made = Template::compile(template)?.render(scope, 1000)?;
    Ok(String::from_utf8(made).unwrap())
}

fn refused(template: &str) -> String {
    Template::compile(template).map(drop).unwrap_err()
}

#[test]
fn names_are_fields_of_the_body() {
    let data =
        json!({"name": "hello", "age": 20, "a": {"b": [{"c": "x"}]}, "on": true, "no": null});
    for (template, expected) in [
        ("plain", "plain"),
        (
            "{\"foo\":\"{{name .. \" world\"}}\",\"bar\":{{age+10}}}",
            "{\"foo\":\"hello world\",\"bar\":30}",
        ),
        ("{{a.b[1].c}} {{a[\"b\"][1]['c']}} {{#a.b}}", "x x 1"),
        ("{{missing}}{{no}}|{{on}}|{{not on}}", "|true|false"),
        (
            "{{context.name}} {{ name:upper() }} {{string.sub(name, 2, -2)}}",
            "hello HELLO ell",
        ),
        (
            "{{missing or name}} {{no == nil}} {{missing == nil and \"none\" or \"some\"}}",
            "hello false none",
        ),
        (
            "{{1 + 2 * 3 - 4 / 2}} {{2 ^ 3}} {{7 % 4}} {{-age}} {{10 / 4}} {{(1 + 2) * 3}}",
            "5 8 3 -20 2.5 9",
        ),
        (
            "{{age > 18}} {{age <= 18}} {{\"a\" < \"b\"}} {{age == 20.0}} {{age ~= \"20\"}}",
            "true false true true true",
        ),
        (
            "{{tonumber(\"0x10\") + 1}} {{tostring(age) .. 1}} {{type(a)}}",
            "17 201 table",
        ),
    ] {
        assert_eq!(
            render(template, data.clone()).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
}

#[test]
fn what_is_written_is_escaped_once() {
    let data = json!({"x": "<a href=\"/b\">&'{}"});
    let of = |template: &str| render(template, data.clone()).unwrap();
    assert_eq!(of("{{x}}"), "&lt;a href=&quot;&#47;b&quot;&gt;&amp;&#39;{}");
    assert_eq!(of("{*x*}"), "<a href=\"/b\">&'{}");
    // As lua-resty-template writes what a function of two values returns.
    assert_eq!(
        of("{{_escape_xml(x)}}"),
        "&lt;a href=&quot;/b&quot;&gt;&amp;&apos;&#123;&#125;"
    );
    assert_eq!(
        of("{*_escape_xml(x)*}"),
        "&lt;a href=&quot;/b&quot;&gt;&amp;&apos;{}"
    );
    assert_eq!(of("{*_escape_json(x)*}"), "\"<a href=\\\"/b\\\">&'{}\"");
    assert_eq!(
        of("{*_escape_json(context)*}"),
        "{\"x\":\"<a href=\\\"/b\\\">&'{}\"}"
    );
    assert_eq!(of("\\{{x}} \\\\{*1*}"), "{{x}} \\1");
}

#[test]
fn statements_choose_and_repeat() {
    let data =
        json!({"items": [{"n": "a", "p": 1}, {"n": "b", "p": 2}], "m": {"k": "v", "l": "w"}});
    let of = |template: &str| render(template, data.clone()).unwrap();
    let list = "[{% for i, item in ipairs(items) do %}{% if i > 1 then %},{% end %}\"{{item.n}}\"{% end %}]";
    assert_eq!(of(list), "[\"a\",\"b\"]");
    assert_eq!(
        of("{% for k, v in pairs(m) do %}{{k}}={{v}};{% end %}"),
        "k=v;l=w;"
    );
    assert_eq!(of("{% for i = 3, 1, -1 do %}{{i}}{% end %}"), "321");
    assert_eq!(
        of("{% for i = 1, 9 do if i == 3 then break end %}{{i}}{% end %}"),
        "12"
    );
    let sum = "{% local sum = 0; for _, i in ipairs(items) do sum = sum + i.p end %}{{sum}}";
    assert_eq!(of(sum), "3");
    let arms =
        "{% if #items == 0 then %}none{% elseif #items == 2 then %}two{% else %}many{% end %}";
    assert_eq!(of(arms), "two");
    assert_eq!(
        of("{# a comment #}\n{% -- one\n local a = 1 --[[ two ]] %}\n  {% local b = a %}\nx"),
        "x"
    );
}

#[test]
fn what_surrounds_a_request_is_there() {
    let of = |template: &str, body| render_in(template, json!({}), body, None).unwrap();
    assert_eq!(
        of("{{_ctx.var.arg_name .. \" world\"}}", None),
        "john world"
    );
    assert_eq!(of("{*_ctx.var[\"http_user_agent\"]*}", None), "curl/8");
    let gsub = "{\"message\": \"{* string.gsub(_body, \"not \", \"\") *}\"}";
    assert_eq!(
        of(gsub, Some("not actually json")),
        "{\"message\": \"actually json\"}"
    );
    assert_eq!(of("{{_body == nil}}", None), "true");
    let yaml = "{%\n local yaml = require(\"tinyyaml\")\n local body = yaml.parse(_body)\n%}\n\
                {\"foobar\":\"{{body.foobar.foo .. \" \" .. body.foobar.bar}}\"}";
    assert_eq!(
        of(yaml, Some("foobar:\n  foo: hello\n  bar: world\n")),
        "{\"foobar\":\"hello world\"}"
    );
    let json =
        "{% local core = require(\"apisix.core\") local b = core.json.decode(_body) %}{{b.a}}";
    assert_eq!(of(json, Some("{\"a\": 7}")), "7");
}

#[test]
fn patterns_are_those_of_lua() {
    let data = json!({"x": "a-1 b.2 [c]"});
    for (template, expected) in [
        ("{*string.gsub(x, \"%d\", \"#\")*}", "a-# b.# [c]"),
        ("{*x:gsub(\"(%a)[-.](%d)\", \"%2%1\")*}", "1a 2b [c]"),
        ("{*string.gsub(x, \".\", \"\", 4)*}", "b.2 [c]"),
        ("{*string.gsub(x, \"[^%w]+\", \"_\")*}", "a_1_b_2_c_"),
        ("{*string.gsub(x, \"^a\", \"%%\")*}", "%-1 b.2 [c]"),
        ("{*string.gsub(x, \"%[c%]$\", \"%0%0\")*}", "a-1 b.2 [c][c]"),
        ("{*string.gsub(x, \"a.-b\", \"\")*}", ".2 [c]"),
    ] {
        assert_eq!(
            render(template, data.clone()).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
    assert!(refused("{{string.gsub(x, \"%b()\", \"\")}}").contains("'%b' in a pattern"));
    assert!(refused("{{string.gsub(x, y, \"\")}}").contains("must be a text in quotes"));
}

#[test]
fn a_multipart_body_can_be_changed() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\njohn\r\n\
                --b\r\nContent-Disposition: form-data; name=\"age\"\r\n\r\n10\r\n--b--\r\n";
    let multipart = Multipart::read(&Bytes::from(body), "multipart/form-data; boundary=b").unwrap();
    assert!(matches!(multipart.fields(), Value::Object(fields) if fields.len() == 2));
    let template = "{%\n local core = require 'apisix.core'\n local cjson = require 'cjson'\n
        if tonumber(context.age) > 18 then\n context._multipart:set_simple(\"status\", \"adult\")\n
        else\n context._multipart:set_simple(\"status\", \"minor\")\n end\n
        local body = context._multipart:tostring()\n%}{* body *}";
    let data = json!({"name": "john", "age": "10"});
    let made = render_in(template, data, None, Some(multipart)).unwrap();
    let added = "--b\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nminor\r\n--b--\r\n";
    assert_eq!(made, body.replace("--b--\r\n", added));
}

#[test]
fn what_cannot_run_is_refused_with_its_line() {
    for (template, reason) in [
        (
            "a\n{{name() .. \" world\"}}",
            "line 2: function 'name' is not supported",
        ),
        (
            "{% while true do end %}",
            "line 1: 'while' is not supported here",
        ),
        (
            "{% local f = function() end %}",
            "line 1: expected an expression, got 'function'",
        ),
        (
            "{% local os = require(\"os\") %}",
            "line 1: require(\"os\") is not supported",
        ),
        (
            "{{os.execute(\"x\")}}",
            "line 1: expected the end of the expression, got '('",
        ),
        (
            "{% if a then %}\n\nx",
            "line 3: expected 'end', got the end of the template",
        ),
        (
            "x{{a b}}",
            "line 1: expected the end of the expression, got 'b'",
        ),
        (
            "{{}}",
            "line 1: expected an expression, got the end of the expression",
        ),
        ("{{a +}}", "line 1: expected an expression, got the end"),
        ("{{_ctx.consumer}}", "line 1: expected '_ctx.var.NAME'"),
        (
            "{{_ctx.var.uro}}",
            "line 1: unknown variable 'uro'; did you mean 'uri'?",
        ),
        ("{% a = 1 %}", "line 1: only local variables can be changed"),
        ("{% a.b %}", "line 1: an expression is no statement"),
        ("{% break %}", "line 1: 'break' stands outside of a loop"),
        (
            "{(header.html)}",
            "line 1: '{(header.html)}' includes a file",
        ),
        ("{{ {} }}", "line 1: expected an expression, got '{'"),
        ("{{\"a}}", "line 1: the text has no closing \""),
        ("{{a @ b}}", "line 1: unexpected '@'"),
        (
            "{% for k in next(a) do end %}",
            "line 1: expected 'pairs' or 'ipairs', got 'next'",
        ),
        ("{% end %}", "line 1: 'end' is not supported here"),
        ("{{a:rep(9)}}", "line 1: method 'rep' is not supported"),
        (
            "{{string.rep(a, 9)}}",
            "line 1: function 'rep' is not supported",
        ),
    ] {
        let refusal = refused(template);
        assert!(refusal.starts_with(reason), "{template}: {refusal}");
    }
    assert!(refused(&format!("{{{{{}1{}}}}}", "(".repeat(40), ")".repeat(40))).contains("nested"));
    assert!(refused(&format!("{{{{1{}}}}}", "+1".repeat(2000))).contains("more than 500 pieces"));
    let blocks = "{% if a then %}".repeat(40);
    assert!(refused(&blocks).contains("nested deeper than 32 levels"));
    assert!(refused(&format!("{{{{{}1}}}}", "not ".repeat(100_000))).contains("more than 500"));
}

#[test]
fn what_goes_wrong_is_told_with_its_line() {
    let data = json!({"a": {"b": 1}, "list": [1], "text": "x", "nothing": null});
    for (template, reason) in [
        (
            "a\n{{a.c.d}}",
            "line 2: attempt to index a nil value (field 'c')",
        ),
        (
            "{{c.d}}",
            "line 1: attempt to index a nil value (global 'c')",
        ),
        (
            "{{nothing.d}}",
            "line 1: attempt to index a null value (global 'nothing')",
        ),
        (
            "{{c .. \"x\"}}",
            "line 1: attempt to concatenate a nil value (global 'c')",
        ),
        (
            "{{text + 1}}",
            "line 1: attempt to perform arithmetic on a string value",
        ),
        (
            "{{text < 1}}",
            "line 1: attempt to compare string with number",
        ),
        (
            "{{a}}",
            "line 1: attempt to write a table value, where _escape_json makes a text of one (global 'a')",
        ),
        (
            "{{#nothing}}",
            "line 1: attempt to get length of a null value",
        ),
        (
            "{% for k in pairs(c) do end %}",
            "line 1: expected a table to go through, got nil (global 'c')",
        ),
        ("{{_escape_xml(c)}}", "line 1: expected a text, got nil"),
    ] {
        assert_eq!(
            render(template, data.clone()),
            Err(reason.to_owned()),
            "{template}"
        );
    }
    assert_eq!(
        render("{{text.b}}{{text[1]}}{{list.x}}", data).as_deref(),
        Ok("")
    );
}

#[test]
fn steps_and_bytes_are_bounded() {
    let endless = "{% for i = 1, 1e12 do end %}";
    assert!(
        render(endless, json!({}))
            .unwrap_err()
            .contains("more than 1000000 steps")
    );
    let nested = "{% for i = 1, 1e6 do for j = 1, 1e6 do local a = i * j end end %}";
    assert!(render(nested, json!({})).unwrap_err().contains("steps"));
    let large = "{% for i = 1, 1000 do %}ten bytes.{% end %}";
    assert!(
        render(large, json!({}))
            .unwrap_err()
            .contains("larger than 1000 bytes")
    );
    let doubling = "{% local a = \"0123456789\" for i = 1, 1000 do a = a .. a end %}";
    assert!(
        render(doubling, json!({}))
            .unwrap_err()
            .contains("too many texts")
    );
    let gsub = "{% local a = \"0123456789\" for i = 1, 1000 do a = a:gsub(\".\", \"%0%0\") end %}";
    assert!(render(gsub, json!({})).unwrap_err().contains("too "));
}
