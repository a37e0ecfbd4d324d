use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{CompileContext, Context, Plugin};

use super::{Compiled, Cors};
use crate::tests::{answer, compile_in, plugin, refusal};

/// Runs a request with this origin, and gives back the named fields of its answer.
fn run(plugin: &Compiled, origin: Option<&str>, names: &[&str]) -> Vec<String> {
    let mut builder = request("/").header("access-control-request-headers", "x-a, x-b");
    if let Some(origin) = origin {
        builder = builder.header("origin", origin);
    }
    let mut context = builder.context(FakeHost::shared());
    assert!(answer(plugin.rewrite(&mut context)).is_none());
    // What other plugins do to the request does not matter.
    context.request.headers.remove("origin");
    filtered(plugin, &mut context, names)
}

fn filtered(plugin: &Compiled, context: &mut Context, names: &[&str]) -> Vec<String> {
    context.response = Some(response(200, &[("vary", "Accept")]));
    plugin.header_filter(context);
    let headers = &context.response.as_ref().unwrap().headers;
    let text = |name: &&str| {
        let values: Vec<_> = headers.get_all(*name).iter().collect();
        let values: Vec<_> = values.iter().map(|value| value.to_str().unwrap()).collect();
        values.join("+")
    };
    names.iter().map(text).collect()
}

const ORIGIN: &str = "access-control-allow-origin";

#[test]
fn by_default_everybody_may_read() {
    let names = [
        ORIGIN,
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-max-age",
        "access-control-expose-headers",
        "access-control-allow-credentials",
        "vary",
    ];
    let given = run(&plugin::<Cors>(json!({})), Some("https://a"), &names);
    assert_eq!(given, ["*", "*", "*", "5", "", "", "Accept"]);
}

#[test]
fn every_options_request_is_answered() {
    let mut context = request("/")
        .method(Method::OPTIONS)
        .context(FakeHost::shared());
    let plugin = plugin::<Cors>(json!({}));
    let answered = answer(plugin.rewrite(&mut context)).unwrap();
    assert_eq!(answered.status, StatusCode::OK);
    assert_eq!(filtered(&plugin, &mut context, &[ORIGIN]), ["*"]);
}

#[test]
fn listed_origins_are_echoed_and_others_get_nothing() {
    let config =
        json!({"allow_origins": "https://a.example,https://b.example:8443", "max_age": -1});
    let plugin = plugin::<Cors>(config);
    let names = [ORIGIN, "access-control-max-age", "vary"];
    let given = run(&plugin, Some("https://b.example:8443"), &names);
    assert_eq!(given, ["https://b.example:8443", "-1", "Accept+Origin"]);
    for other in [
        None,
        Some("https://a.example.evil"),
        Some("https://A.example"),
        Some(""),
    ] {
        assert_eq!(run(&plugin, other, &names), ["", "", "Accept+Origin"]);
    }
}

#[test]
fn two_stars_allow_everybody_with_credentials() {
    let config = json!({"allow_origins": "**", "allow_methods": "**", "allow_headers": "**",
        "allow_credential": true, "expose_headers": "X-Total"});
    let names = [
        ORIGIN,
        "access-control-allow-headers",
        "access-control-allow-credentials",
        "access-control-expose-headers",
        "access-control-allow-methods",
    ];
    let plugin = plugin::<Cors>(config);
    let methods = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE";
    let given = run(&plugin, Some("https://a"), &names);
    assert_eq!(given, ["https://a", "x-a, x-b", "true", "X-Total", methods]);
    assert_eq!(run(&plugin, None, &[ORIGIN]), ["*"]);
}

#[test]
fn expressions_and_metadata_name_origins() {
    let config = json!({"allow_origins_by_regex": ["^https://[a-z]+\\.example$", "^null$"]});
    let regex = plugin::<Cors>(config);
    assert_eq!(
        run(&regex, Some("https://a.example"), &[ORIGIN]),
        ["https://a.example"]
    );
    assert_eq!(run(&regex, Some("null"), &[ORIGIN]), ["null"]);
    assert_eq!(run(&regex, Some("https://a.example.evil"), &[ORIGIN]), [""]);
    let metadata = json!({"allow_origins": {"one": "https://1,https://2", "two": "https://3"}});
    let context = CompileContext {
        metadata: Some(Arc::new(metadata)),
        ..CompileContext::dry()
    };
    let config =
        json!({"allow_origins": "https://0", "allow_origins_by_metadata": ["one", "none"]});
    let named = compile_in::<Cors>(config, &context).unwrap();
    for (origin, allowed) in [
        ("https://0", true),
        ("https://2", true),
        ("https://3", false),
    ] {
        let given = run(&named, Some(origin), &[ORIGIN]);
        assert_eq!(given == [origin], allowed, "{origin}");
    }
    let everybody = CompileContext {
        metadata: Some(Arc::new(json!({"allow_origins": {"all": "*"}}))),
        ..CompileContext::dry()
    };
    let config = json!({"allow_origins": "https://0", "allow_origins_by_metadata": ["all"]});
    let named = compile_in::<Cors>(config, &everybody).unwrap();
    assert_eq!(
        run(&named, Some("https://9"), &[ORIGIN, "vary"]),
        ["https://9", "Accept+Origin"]
    );
}

#[test]
fn timings_have_origins_of_their_own() {
    let name = "timing-allow-origin";
    let run = |config: Value, origin| run(&plugin::<Cors>(config), Some(origin), &[name]);
    assert_eq!(
        run(json!({"timing_allow_origins": "https://a"}), "https://a"),
        ["https://a"]
    );
    assert_eq!(
        run(json!({"timing_allow_origins": "https://a"}), "https://b"),
        [""]
    );
    let config = json!({"timing_allow_origins_by_regex": ["a$"]});
    assert_eq!(run(config, "https://a"), ["https://a"]);
    assert_eq!(run(json!({}), "https://a"), [""]);
}

#[test]
fn wrong_configurations_are_refused() {
    let text = "you can not set '*' for other option when 'allow_credential' is true";
    for config in [
        json!({"allow_credential": true}),
        json!({"allow_credential": true, "allow_origins": "**", "allow_methods": "**", "allow_headers": "**", "expose_headers": "*"}),
    ] {
        assert_eq!(refusal::<Cors>(config), text);
    }
    refusal::<Cors>(json!({"allow_origins": "a.example"}));
    refusal::<Cors>(json!({"allow_origins_by_regex": []}));
    assert!(refusal::<Cors>(json!({"allow_origins_by_regex": ["("]})).starts_with("expression"));
    let text = refusal::<Cors>(json!({"allow_headers": "a\nb"}));
    assert_eq!(
        text,
        "allow_headers must be able to stand in a header, got \"a\\nb\""
    );
}
