use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Body, Context, Plugin, Step};

use super::{Compiled, ServerlessPreFunction};
use crate::tests::{answer, plugin, refusal};

fn functions(phase: &str, texts: &[&str]) -> Compiled {
    plugin::<ServerlessPreFunction>(json!({"phase": phase, "functions": texts}))
}

fn get(target: &str) -> Context {
    request(target).context(FakeHost::shared())
}

fn answering(status: u16, headers: &[(&str, &str)]) -> Context {
    let mut context = get("/");
    context.response = Some(response(status, headers));
    context
}

#[test]
fn functions_run_in_their_phase_and_in_no_other() {
    let text = "return function() ngx.exit(403) end";
    let mut context = get("/");
    let rewrite = functions("rewrite", &[text]);
    let refused = answer(rewrite.rewrite(&mut context)).unwrap();
    assert_eq!(
        (refused.status, refused.body),
        (StatusCode::FORBIDDEN, Body::Page)
    );
    assert!(answer(rewrite.access(&mut context)).is_none());
    assert!(answer(functions("access", &[text]).rewrite(&mut context)).is_none());
    assert!(answer(functions("access", &[text]).access(&mut context)).is_some());
    assert!(answer(functions("before_proxy", &[text]).before_proxy(&mut context)).is_some());
}

#[test]
fn the_first_function_that_answers_is_the_last_that_runs() {
    let first = "return function(conf) ngx.ctx.seen = conf.phase end";
    let second = "return function() return 202, {seen = ngx.ctx.seen} end";
    let third = "return function() error('not reached') end";
    let plugin = functions("access", &[first, second, third]);
    let made = answer(plugin.access(&mut get("/"))).unwrap();
    assert_eq!(made.status, StatusCode::ACCEPTED);
    assert_eq!(made.body, Body::Text("{\"seen\":\"access\"}\n".into()));
}

#[test]
fn a_function_that_fails_answers_500() {
    for text in [
        "return function() error('no') end",
        "return function() local a = nil; a.b = 1 end",
    ] {
        let made = answer(functions("access", &[text]).access(&mut get("/"))).unwrap();
        assert_eq!(made.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[test]
fn headers_set_early_are_those_of_the_answer() {
    let text =
        "return function() ngx.header['X-Own'] = 'a'; ngx.header.content_type = 'text/csv' end";
    let plugin = functions("access", &[text]);
    let mut context = get("/");
    assert!(answer(plugin.access(&mut context)).is_none());
    context.response = Some(response(
        200,
        &[("content-type", "text/html"), ("x-node", "1")],
    ));
    plugin.header_filter(&mut context);
    let headers = context.response.unwrap().headers;
    assert_eq!(headers["x-own"], "a");
    assert_eq!(headers["content-type"], "text/csv");
    assert_eq!(headers["x-node"], "1");
}

#[test]
fn heads_of_answers_are_filtered() {
    let text = "return function() ngx.header.Server = nil; ngx.status = ngx.status + 1 end";
    let mut context = answering(200, &[("server", "secret")]);
    functions("header_filter", &[text]).header_filter(&mut context);
    let head = context.response.unwrap();
    assert_eq!(head.status, StatusCode::CREATED);
    assert!(head.headers.is_empty());
}

#[test]
fn an_answer_whose_head_cannot_be_filtered_does_not_go_out() {
    let plugin = functions("header_filter", &["return function() error('no') end"]);
    let mut context = answering(200, &[("x-secret", "1")]);
    plugin.header_filter(&mut context);
    let mut chunk = Bytes::from_static(b"secret");
    plugin.body_filter(&mut context, &mut chunk, true);
    assert!(chunk.is_empty());
    let head = context.response.unwrap();
    assert_eq!(head.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(head.headers.is_empty());
}

#[test]
fn bodies_are_filtered_by_piece_or_whole() {
    let upper = functions(
        "body_filter",
        &["return function() ngx.arg[1] = ngx.arg[1]:upper() end"],
    );
    let whole = "local core = require('apisix.core')\n\
        return function(conf, ctx)\n\
          local body = core.response.hold_body_chunk(ctx)\n\
          if not body then return end\n\
          ngx.arg[1] = #body .. ':' .. body\n\
        end";
    let whole = functions("body_filter", &[whole]);
    for (plugin, expected) in [(upper, ["AB", "CD"]), (whole, ["", "4:abcd"])] {
        let mut context = answering(200, &[]);
        plugin.header_filter(&mut context);
        assert!(context.response.as_ref().unwrap().body_changes);
        for (piece, end, expected) in [("ab", false, expected[0]), ("cd", true, expected[1])] {
            let mut chunk = Bytes::from_static(piece.as_bytes());
            plugin.body_filter(&mut context, &mut chunk, end);
            assert_eq!(chunk, expected);
        }
        assert!(!context.abort_response);
    }
}

#[test]
fn an_answer_whose_body_cannot_be_filtered_is_broken_off() {
    let plugin = functions("body_filter", &["return function() error('no') end"]);
    let mut context = answering(200, &[]);
    let mut chunk = Bytes::from_static(b"secret");
    plugin.body_filter(&mut context, &mut chunk, false);
    assert!(chunk.is_empty() && context.abort_response);
}

#[test]
fn the_body_is_read_before_a_function_that_looks_at_it_runs() {
    let text = "return function() ngx.req.read_body(); return 200, ngx.req.get_body_data() end";
    let plugin = functions("access", &[text]);
    assert!(matches!(plugin.access(&mut get("/")), Step::ReadBody));
    let mut context = request("/")
        .method(Method::POST)
        .body("text/plain", "hi")
        .context(FakeHost::shared());
    let made = answer(plugin.access(&mut context)).unwrap();
    assert_eq!(made.body, Body::Text("hi".into()));
    // In time for later phases as well.
    let later = functions("log", &["return function() ngx.req.get_body_data() end"]);
    assert!(matches!(later.access(&mut get("/")), Step::ReadBody));
}

#[test]
fn the_log_phase_sees_what_was_left_for_it() {
    let mut context = get("/");
    let plugin = functions(
        "access",
        &["return function(_, ctx) ctx.own = 'a'; ngx.ctx.own = 'b' end"],
    );
    assert!(answer(plugin.access(&mut context)).is_none());
    context.instance = 7;
    context.response = Some(response(200, &[]));
    let plugin = functions(
        "header_filter",
        &["return function(_, ctx) ngx.header['x-own'] = ctx.own .. ngx.ctx.own end"],
    );
    plugin.header_filter(&mut context);
    assert_eq!(context.response.unwrap().headers["x-own"], "ab");
}

#[test]
fn functions_that_are_none_are_refused_with_their_line() {
    let refused = |text: &str| {
        refusal::<ServerlessPreFunction>(json!({"functions": ["return function() end", text]}))
    };
    let text = refused("return function()\n  local x = = 1\nend");
    assert_eq!(
        text,
        "failed to loadstring: functions[1]:2: unexpected symbol near '='"
    );
    assert_eq!(
        refused("local count = 1"),
        "only accept Lua function, the input code type is nil (functions[1])"
    );
    let text = refused("local a = nil\nreturn a.b");
    assert_eq!(
        text,
        "pcall error: functions[1]:2: attempt to index local 'a' (a nil value)"
    );
    let text = refused("ngx.say('now')\nreturn function() end");
    assert!(text.contains("there is no request yet"), "{text}");
    let text = refused("while true do end");
    assert!(text.contains("it ran too many instructions"), "{text}");
    refusal::<ServerlessPreFunction>(json!({"functions": []}));
    refusal::<ServerlessPreFunction>(
        json!({"phase": "balancer", "functions": ["return function() end"]}),
    );
}
