use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Plugin, Response};

use super::ExitTransformer;
use crate::tests::{answer, plugin, refusal};

fn changed(functions: &[&str], response: Response) -> Response {
    let plugin = plugin::<ExitTransformer>(json!({"functions": functions}));
    let mut context = request("/a").context(FakeHost::shared());
    assert!(answer(plugin.rewrite(&mut context)).is_none());
    let changes = std::mem::take(&mut context.answer_changes);
    changes.iter().fold(response, |response, change| {
        change.change(&mut context, response)
    })
}

fn unauthorized() -> Response {
    Response::message(StatusCode::UNAUTHORIZED, "who are you").with_header(
        HeaderName::from_static("www-authenticate"),
        HeaderValue::from_static("Basic"),
    )
}

#[test]
fn status_body_and_headers_are_changed_in_order() {
    let first = "return (function(code, body, header)\n\
        if code == 401 and body.message == 'who are you' then\n\
        header['X-Own'] = {'a', 'b'}; header['www-authenticate'] = nil\n\
        return 403, {error = body.message}, header end\n\
        return code, body, header end)(...)";
    let second = "local code, body = ...; return code + 1, body.error .. ' ' .. ngx.var.uri";
    let response = changed(&[first], unauthorized());
    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(response.body, Body::Json(json!({"error": "who are you"})));
    let values: Vec<_> = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(values, [("x-own", "a"), ("x-own", "b")]);
    let response = changed(&[first, second], unauthorized());
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.body, Body::Text("who are you /a".into()));
}

#[test]
fn pages_have_no_body_and_headers_stay_unless_they_are_returned() {
    let same = "return ...";
    assert_eq!(
        changed(&[same], Response::page(StatusCode::NOT_FOUND)),
        Response::page(StatusCode::NOT_FOUND)
    );
    let response = changed(
        &["local code, body = ...; return 400, body"],
        unauthorized(),
    );
    assert_eq!(response.headers, unauthorized().headers);
    assert_eq!(response.body, unauthorized().body);
}

#[test]
fn a_function_that_fails_changes_nothing() {
    for text in [
        "error('no')",
        "return nil",
        "return 'a'",
        "return 99",
        "while true do end",
        "ngx.exit(200)",
        "return 200, print",
    ] {
        let last = "local code = ...; return code, 'last'";
        let response = changed(&[text, last], unauthorized());
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{text}");
        assert_eq!(response.body, Body::Text("last".into()), "{text}");
    }
}

#[test]
fn a_text_that_is_no_lua_is_refused() {
    let text = refusal::<ExitTransformer>(json!({"functions": ["return (function() end"]}));
    assert_eq!(
        text,
        "failed to loadstring: functions[0]:1: ')' expected near '<eof>'"
    );
}
